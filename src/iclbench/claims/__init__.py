"""Claims of papers, and what our rows say of them."""
