"""Similarity between reports: syntax, semantics, and both of them as one matrix."""
