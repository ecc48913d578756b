"""What the program tells of itself, and what it never tells."""
