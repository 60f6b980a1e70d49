"""Scores: records to numbers, differences and ranks."""
