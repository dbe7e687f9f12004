"""The house style, and the figures that every study shares."""
