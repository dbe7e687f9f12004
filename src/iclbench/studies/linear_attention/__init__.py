"""Garg et al. 2022 and von Oswald et al. 2023: what is learned of linear regression in context."""
