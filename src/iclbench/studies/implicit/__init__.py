"""Test like you train: Ramzi et al. 2023 (arXiv 2305.15042), where inner problems are iterated."""
