"""Use cases over ports, one file each.

Level-triggered: read what is desired, read what is, close the gap.
"""
