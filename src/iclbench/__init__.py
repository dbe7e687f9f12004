"""A reproducible benchmark of in-context learning."""

__version__ = "0.1.0"
