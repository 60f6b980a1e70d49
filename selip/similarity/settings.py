"""Settings of the similarity between texts."""

from __future__ import annotations

from dataclasses import dataclass

from selip.system.errors import InputError
from selip.system.registry import unknown

ALLOWED = {
    "syntax": ("word_dice", "character_dice", "levenshtein", "lcs", "chrf"),
    "semantic": ("fields", "ontology", "embedding"),
    "mix": ("product", "mean", "syntax", "semantic"),
    "pooling": ("mean", "best_match"),
    "normal": ("zero", "masked", "alike"),
}
"""Names that a setting may have; the measures of the first two are in syntax.py and semantics.py."""
WEIGHTS = (("weight_location", "weight_signal"), ("weight_syntax", "weight_semantic"))


@dataclass(frozen=True)
class SimilarityConfig:
    """Measures that fill the clause table, and its way to S; the paper's by default, but words for characters.

    Attributes:
        syntax: How alike two clauses are as strings, see selip/similarity/syntax.py.
        semantic: "fields" (location and signal tag equal or not, the paper's), "ontology" (both graded) or "embedding"
            (cosine of sentence embeddings).
        mix: "product" (the paper's), "mean" (by `weight_syntax` and `weight_semantic`), or one of the two alone.
        pooling: From clauses to texts: "mean" (the paper's, biased by length) or "best_match".
        normal: "zero" (the normal sentence is like nothing but itself, the paper's), "masked" (its pairs are left out
            of the KL term) or "alike" (normal texts are alike, S = 1).
        weight_location: Share of the location in the semantic term, in [0, 1]; of no effect on "embedding".
        weight_signal: Share of the signal in it, in [0, 1].
        weight_syntax: Share of syntax in `mix: mean`, in [0, 1].
        weight_semantic: Share of semantics in it, in [0, 1].
    """

    syntax: str = "word_dice"
    semantic: str = "fields"
    mix: str = "product"
    pooling: str = "mean"
    normal: str = "zero"
    weight_location: float = 0.5
    weight_signal: float = 0.5
    weight_syntax: float = 0.5
    weight_semantic: float = 0.5

    def __post_init__(self) -> None:
        """Refuses unknown names, and weights below 0 or with a sum above 1."""
        for key, names in ALLOWED.items():
            if getattr(self, key) not in names:
                raise InputError(unknown(f"similarity.{key}", str(getattr(self, key)), names))
        for one, other in WEIGHTS:
            a, b = getattr(self, one), getattr(self, other)
            if not (a >= 0 and b >= 0 and a + b <= 1 + 1e-9):
                raise InputError(
                    f"got similarity.{one}={a} and {other}={b}; allowed: both at least 0 with a sum of at most 1"
                )
