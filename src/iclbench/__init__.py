"""A reproducible benchmark of in-context learning."""
