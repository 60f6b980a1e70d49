"""The obviously right loops over texts, clauses, words and letters: the judge of the fast similarity."""

from __future__ import annotations

from collections import Counter

import numpy as np

from selip.reports.ontology import place_grade, places, signal_place


def words(clause):
    return set(f"{clause.location} {clause.signal}".lower().split())


def characters(clause):
    return set((clause.location + clause.signal).lower())


def string(clause):
    return f"{clause.location} {clause.signal}".strip().lower()


def dice(a, b):
    return 2 * len(a & b) / (len(a) + len(b))


def levenshtein(a, b):
    """Wagner and Fischer's table."""
    cost = np.zeros((len(a) + 1, len(b) + 1), dtype=int)
    cost[:, 0], cost[0] = range(len(a) + 1), range(len(b) + 1)
    for i in range(len(a)):
        for j in range(len(b)):
            cost[i + 1, j + 1] = min(cost[i, j + 1] + 1, cost[i + 1, j] + 1, cost[i, j] + (a[i] != b[j]))
    return 1 - cost[-1, -1] / max(len(a), len(b))


def lcs(a, b):
    best = np.zeros((len(a) + 1, len(b) + 1), dtype=int)
    for i in range(len(a)):
        for j in range(len(b)):
            best[i + 1, j + 1] = best[i, j] + 1 if a[i] == b[j] else max(best[i, j + 1], best[i + 1, j])
    return best[-1, -1] / max(len(a), len(b))


def grams(text, order):
    letters = text.replace(" ", "")
    return Counter(letters[start : start + order] for start in range(len(letters) - order + 1))


def chrf(hypothesis, reference, beta=2):
    """chrF by precision and recall, mean over the orders that either text is long enough for."""
    scores = []
    for order in range(1, 7):
        h, r = grams(hypothesis, order), grams(reference, order)
        matches = (h & r).total()
        if matches:
            precision, recall = matches / h.total(), matches / r.total()
            scores.append((1 + beta**2) * precision * recall / (beta**2 * precision + recall))
        elif h or r:
            scores.append(0)
    return sum(scores) / len(scores)


def syntax(name, a, b):
    if name.endswith("dice"):
        tokens = words if name == "word_dice" else characters
        return dice(tokens(a), tokens(b))
    a, b = string(a), string(b)
    if name == "chrf":
        return (chrf(a, b) + chrf(b, a)) / 2
    return {"levenshtein": levenshtein, "lcs": lcs}[name](a, b)


def location(name, a, b):
    a, b = a.location.lower(), b.location.lower()
    if name == "fields" or not (places(a) and places(b)):
        return float(a == b != "")
    best = [max(place_grade(one, other) for other in places(b)) for one in places(a)]
    back = [max(place_grade(one, other) for other in places(a)) for one in places(b)]
    return (np.mean(best) + np.mean(back)) / 2


def signal(name, a, b):
    if name == "fields":
        return float(a.tag == b.tag)
    one, other = signal_place(a.signal), signal_place(b.signal)
    if one is None or other is None:
        return float(a.signal.lower() == b.signal.lower())
    return (one[0] == other[0]) * (1 - abs(one[1] - other[1]) / 2)


def clause_similarity(a, b, config, embedding=None):
    """K of two clauses; `embedding` maps a clause to a vector of unit length."""
    one = syntax(config.syntax, a, b)
    if config.semantic == "embedding":
        two = min(max(float(embedding(a) @ embedding(b)), 0), 1) if config.mix != "syntax" else 0
    else:
        two = config.weight_location * location(config.semantic, a, b)
        two += config.weight_signal * signal(config.semantic, a, b)
    mean = config.weight_syntax * one + config.weight_semantic * two
    return {"product": one * two, "mean": mean, "syntax": one, "semantic": two}[config.mix]


def pool(table, how):
    """One number from the K of two texts, a list of rows."""
    columns = list(zip(*table, strict=True))
    if how == "mean":
        return sum(map(sum, table)) / (len(table) * len(columns))
    return (sum(map(max, table)) / len(table) + sum(map(max, columns)) / len(columns)) / 2


def similarity_loop(texts, config, embedding=None):
    """S (B, B) of a list of clause tuples, one pair of clauses at a time."""
    size = len(texts)
    result = np.zeros((size, size))
    for i in range(size):
        for j in range(size):
            if i == j or (config.normal == "alike" and not texts[i] and not texts[j]):
                result[i, j] = 1
            elif texts[i] and texts[j]:
                table = [[clause_similarity(a, b, config, embedding) for b in texts[j]] for a in texts[i]]
                result[i, j] = pool(table, config.pooling)
    return result
