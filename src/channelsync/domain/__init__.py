"""The pure core: stock, escrow, allocation, rebalance, orders, holds.

Nothing here does I/O, reads a clock, draws a random number or knows a framework: `now`,
identifiers and randomness are arguments. Every other package may import this one.
"""
