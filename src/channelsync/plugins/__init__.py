"""Finds, checks and opens connectors, and stands around every call to them.

`discovery` finds what is installed and can be used (`sdk.declarations` says why not), `registry`
holds the result, `opening` opens a channel. An open channel is `guarded`: `budget` paces its
requests, `retrying` repeats what may be repeated (never a push), `health` tells of a failure once.
"""
