"""What people ask on the command line, beside the stages that the workflow runs."""
