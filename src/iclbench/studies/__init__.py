"""One module a paper: what only it measures or draws."""
