"""Extraction: findings out of free-text reports."""
