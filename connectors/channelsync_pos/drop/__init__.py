"""The drop folder: a till or a warehouse that hands over CSV files instead of calling anybody."""
