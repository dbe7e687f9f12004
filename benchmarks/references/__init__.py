"""Plain versions of the work that others' public scripts do, and practice does, in our words."""
