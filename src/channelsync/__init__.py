"""Keep one stock truth and many sales channels in step, and never sell a unit twice."""

__all__ = ["__version__"]

__version__ = "0.1.0"
