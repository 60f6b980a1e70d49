"""Experiments: grids of runs on a cohort become records. The composition root: it knows every room."""
