"""Ablations: each changes one thing of a full method and is compared with it on the same seeds and patients.

An ablation is one line here; third parties add theirs through the entry-point group "selip.ablations". Those here are
of SeLIP. What no line of a group names is full SeLIP's: word set Dice x field match, mean pooling, lambda = 1,
symmetric KL, linear rows, the diagonal in.

The `mix` group is a grid of syntax weight x semantic weight, K = a syntax + b semantic. Three of its cells have names
of their own: (1, 0) syntax_only; (0, 1) semantic_only; (.5, .5) mean_mix. At (0, 0) S = I: CLIP at twice the loss. The
loss is (1 + lambda) InfoNCE(T), so a row of `lambda` changes the loss scale with the targets; mix_0_0, the targets
alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from selip.system.registry import load, registered

GROUP = "selip.ablations"


@dataclass(frozen=True)
class Ablation:
    """One change of a method.

    Attributes:
        group: What is varied; ablations of a group stand together in the table.
        summary: One line for `selip list ablations`.
        overrides: Run settings that differ from the experiment's, as "methods.selip.kl_weight=0".
        against: Ablation that it is compared with, for a change that needs another one first; "" is the full method.
        method: The full method.
    """

    group: str
    summary: str
    overrides: tuple[str, ...]
    against: str = ""
    method: str = "selip"


MIX_WEIGHTS = (0, 0.25, 0.5, 0.75, 1)
NAMED_MIXES = {(1, 0): "syntax_only", (0, 1): "semantic_only", (0.5, 0.5): "mean_mix"}
"""Cells (syntax weight, semantic weight) of the mix grid that another ablation holds."""


def _mix(syntax: float, semantic: float) -> Ablation:
    weights = (f"similarity.weight_syntax={syntax}", f"similarity.weight_semantic={semantic}")
    return Ablation("mix", f"K = {syntax} syntax + {semantic} semantic", ("similarity.mix=mean", *weights))


def _fields(location: float) -> Ablation:
    signal = 1 - location
    overrides = (f"similarity.weight_location={location}", f"similarity.weight_signal={signal}")
    return Ablation("fields", f"location weighs {location}, signal {signal}", overrides)


_REPEATED = "training.unique_texts=false"  # a batch of different texts has one normal text, which is alike to none
_TEXT_RATE = "training.learning_rate_text=5e-5"  # the paper's for its BERT: a scratch tower's rate would ruin MiniLM

ABLATIONS: dict[str, Ablation] = {
    "character_dice": Ablation("syntax", "set Dice of characters (the paper's)", ("similarity.syntax=character_dice",)),
    "levenshtein": Ablation("syntax", "1 - normalised edit distance", ("similarity.syntax=levenshtein",)),
    "lcs": Ablation("syntax", "longest common subsequence", ("similarity.syntax=lcs",)),
    "chrf": Ablation("syntax", "character n-gram F score", ("similarity.syntax=chrf",)),
    "ontology": Ablation("semantic", "graded places and signals", ("similarity.semantic=ontology",)),
    "embedding": Ablation("semantic", "cosine of sentence embeddings", ("similarity.semantic=embedding",)),
    "mean_mix": Ablation("mix", "mean of syntax and semantic, no product", ("similarity.mix=mean",)),
    "syntax_only": Ablation("mix", "no semantic term", ("similarity.mix=syntax",)),
    "semantic_only": Ablation("mix", "no syntax term", ("similarity.mix=semantic",)),
    **{
        f"mix_{syntax}_{semantic}": _mix(syntax, semantic)
        for syntax in MIX_WEIGHTS
        for semantic in MIX_WEIGHTS
        if syntax + semantic <= 1 and (syntax, semantic) not in NAMED_MIXES
    },
    **{f"location_{weight}": _fields(weight) for weight in MIX_WEIGHTS if weight != 0.5},
    "best_match": Ablation("pooling", "best match of clauses, free of length bias", ("similarity.pooling=best_match",)),
    "normal_masked": Ablation("normal", "pairs with a normal text leave the KL term", ("similarity.normal=masked",)),
    "normal_alike": Ablation(
        "normal", "repeated_texts, normal ones alike", ("similarity.normal=alike", _REPEATED), against="repeated_texts"
    ),
    "lambda_0": Ablation("lambda", "no similarity term: CLIP's loss", ("methods.selip.kl_weight=0",)),
    "lambda_0.25": Ablation("lambda", "a quarter of the KL term", ("methods.selip.kl_weight=0.25",)),
    "lambda_0.5": Ablation("lambda", "half of the KL term", ("methods.selip.kl_weight=0.5",)),
    "lambda_2": Ablation("lambda", "twice the KL term", ("methods.selip.kl_weight=2",)),
    "kl_one_way": Ablation("loss", "KL from volume to text only", ("methods.selip.kl=one_way",)),
    "rows_softmax": Ablation("loss", "rows of S by softmax, not by their sum", ("methods.selip.rows=softmax",)),
    "diagonal_out": Ablation("loss", "KL without the diagonal", ("methods.selip.diagonal=out",)),
    "kl_clamp": Ablation("loss", "probabilities clamped, as in the authors' code", ("methods.selip.kl_clamp=0.001",)),
    "logit_scale_fixed": Ablation("loss", "scale stays 1 / 0.07, as in their code", ("model.logit_scale=fixed",)),
    "repeated_texts": Ablation("batches", "a batch may hold a text twice", (_REPEATED,)),
    "batch_16": Ablation("batches", "16 pairs a step, steps unchanged", ("training.batch_size=16",)),
    "batch_128": Ablation("batches", "128 pairs a step, steps unchanged", ("training.batch_size=128",)),
    "flip_none": Ablation("flip", "no left-right flip with text swap", ("augment.flip=none",)),
    "flip_paired": Ablation("flip", "a sided pair brings its mirror image", ("augment.flip=paired",)),
    "average_pooling": Ablation("towers", "average pool over the volume (the paper's)", ("model.pooling=average",)),
    "minilm": Ablation("towers", "packaged MiniLM, tuned at rate 5e-5", ("model.text_tower=minilm", _TEXT_RATE)),
    "minilm_frozen": Ablation("towers", "frozen MiniLM", ("model.text_tower=minilm", "model.freeze_text=true")),
}


def all_ablations() -> dict[str, Ablation]:
    """Every registered ablation by name, those above first."""
    others = {name: load({}, GROUP, name) for name in registered({}, GROUP) if name not in ABLATIONS}
    return ABLATIONS | others
