"""The networks of the trained models, imported only where they are built."""
