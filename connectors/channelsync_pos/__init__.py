"""The generic till: live sales over HTTP, or a drop folder of CSV files."""
