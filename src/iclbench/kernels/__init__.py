"""Kernels: covariances of labels, and spaces in which classical methods seek functions."""
