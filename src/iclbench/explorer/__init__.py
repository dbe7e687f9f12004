"""One page on which all that a run has measured of methods can be looked through."""
