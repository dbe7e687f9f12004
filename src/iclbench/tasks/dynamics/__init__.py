"""Autoregressive tasks: sequences s_{t+1} = f(s_t), with f drawn anew for every prompt."""
