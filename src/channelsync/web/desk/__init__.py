"""The desk: the pages on which people change things."""
