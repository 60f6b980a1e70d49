"""The obviously right loop over texts and clauses, straight from METHOD: the judge of the fast similarity."""

from __future__ import annotations

import numpy as np


def words(clause):
    return set(f"{clause.location} {clause.signal}".lower().split())


def characters(clause):
    return set((clause.location + clause.signal).lower())


def dice(a, b):
    return 2 * len(a & b) / (len(a) + len(b))


def clause_similarity(a, b, tokens=words, w_location=0.5, w_signal=0.5):
    semantic = w_location * (a.location.lower() == b.location.lower()) + w_signal * (a.tag == b.tag)
    return semantic * dice(tokens(a), tokens(b))


def similarity_loop(texts, **options):
    """S (B, B) of a list of clause tuples, one pair of clauses at a time."""
    size = len(texts)
    result = np.zeros((size, size))
    for i in range(size):
        for j in range(size):
            if i == j:
                result[i, j] = 1
            elif texts[i] and texts[j]:
                pairs = [clause_similarity(a, b, **options) for a in texts[i] for b in texts[j]]
                result[i, j] = sum(pairs) / len(pairs)
    return result
