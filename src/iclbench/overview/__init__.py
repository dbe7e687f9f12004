"""What a run was made with, on one page."""
