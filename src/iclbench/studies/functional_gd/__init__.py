"""Functional gradient descent by attention: Cheng et al. 2024 (arXiv 2312.06528)."""
