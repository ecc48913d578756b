"""Measurements of channelsync: every figure beside its limit, taken in the same run.

Absolute figures hold for one machine on one day; ratios travel. So each part measures, in turn and
in every round, what the product does and what bare means allow on the same machine: the same work
without the product. Run it with `./run bench`; see docs/performance.md.
"""
