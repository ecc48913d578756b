"""The whole daemon on virtual time: real engine, store and connectors in a world of faults.

`channelsync simulate --daemon` lives days of a shop in minutes. One seed decides everything: who
buys what, which task runs first, what breaks and when a process dies; the same seed lives the same
day. An auditor that knows the true sales checks the books after every commit.
"""
