"""Causal attention: pointwise kernels, softmax, and the recurrent forms of today."""
