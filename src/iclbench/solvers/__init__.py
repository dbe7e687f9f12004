"""The classical algorithms, at all prefixes, prompts and iterates at once."""
