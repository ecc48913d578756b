"""The dashboard: the frame of every page, and the pages that one reads."""
