"""In-context regression: pairs (x_t, f(x_t)), with f drawn anew for every prompt."""
