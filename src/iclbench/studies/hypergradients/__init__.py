"""Hypergradients from inner problems that are not solved to the end.

Ye et al. 2024, Enhancing Hypergradients Estimation (arXiv 2402.16748).
"""
