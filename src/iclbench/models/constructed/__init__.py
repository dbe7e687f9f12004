"""Transformers with explicit weights, equal layer by layer to classical algorithms."""
