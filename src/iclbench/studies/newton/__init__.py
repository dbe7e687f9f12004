"""Fu, Chen, Jia & Sharan 2024, second-order convergence in context (arXiv 2310.17086)."""
