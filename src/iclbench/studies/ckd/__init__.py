"""Causal kernel descent: Sander & Peyré 2024 (arXiv 2410.03011)."""
