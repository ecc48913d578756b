"""Use cases over ports, one file each. Level-triggered: read desired, read actual, close the gap."""
