"""The checks of `channelsync doctor`, by where they look: the house, the books, the outside."""
