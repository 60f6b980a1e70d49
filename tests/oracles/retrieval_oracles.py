"""The rank metrics of one query as the protocol says them, candidate by candidate."""

from __future__ import annotations

import numpy as np

from benchmarks.metrics.retrieval_metrics import rank_metrics
from benchmarks.retrieval.gallery_ranking import Tile


def metrics_by_loop(scores, positive):
    """Rank metrics of a query (N,): the worst case among equals."""
    order = sorted(range(len(scores)), key=lambda n: (-scores[n], positive[n]))
    ranks = [rank for rank, n in enumerate(order, start=1) if positive[n]]
    count = len(ranks)
    found = {f"R@{k}": float(min(ranks) <= k) for k in (1, 5, 10)}
    found["median_rank"] = min(ranks)
    found["MRR"] = 1 / min(ranks)
    found["R-precision"] = sum(rank <= count for rank in ranks) / count
    found["mAP@R"] = sum(hits / rank for hits, rank in enumerate(ranks, start=1) if rank <= count) / count
    return found


def ndcg_by_loop(scores, relevance):
    """nDCG@10 of a query (N,): what is unknown (NaN) is left out, among equals the least relevant comes first."""
    known = [n for n in range(len(scores)) if np.isfinite(relevance[n])]
    order = sorted(known, key=lambda n: (-scores[n], relevance[n]))
    ideal = sorted((relevance[n] for n in known), reverse=True)
    reached, best = (
        sum(gain / np.log2(place + 2) for place, gain in enumerate(gains[:10]))
        for gains in ([relevance[n] for n in order], ideal)
    )
    return reached / best if best > 0 else np.nan


def ranked(scores, positive):
    """RANK_METRICS (Q,) of a whole table of exact scores (Q, N) with any positives, by what `search` is made of."""
    query, candidate = np.nonzero(positive)
    own = scores[query, candidate]
    reach = Tile(slice(0, len(scores)), scores, scores, scores, 0).reach_rows(query, own)
    return rank_metrics(query, own, reach)
