"""What the YAML files may say: their types, the scales laid over them, and the faults found."""
