"""The phantom cohort: simulated head MRI on real anatomy, with reports and full truth."""
