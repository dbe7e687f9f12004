"""The stages of a run: functions from paths and a plan to results."""
