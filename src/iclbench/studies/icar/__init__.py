"""In-context autoregressive learning (Sander et al. 2024, arXiv 2402.05787)."""
