"""What our code costs, beside what the same work costs elsewhere: ``python -m benchmarks``."""
