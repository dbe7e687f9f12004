"""The Lightning side: ensembles of seeds, checkpoints, progress."""
