"""Metrics: pure functions of scores and truth."""
