"""Data: cohorts with one frozen split, the volumes in them, and what the volumes show."""
