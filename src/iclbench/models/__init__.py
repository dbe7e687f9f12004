"""Transformers: trained architectures, token layouts, and constructions from given weights."""
