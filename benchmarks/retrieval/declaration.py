"""All that retrieval says of itself: the metrics that rank, and the tables and figures of its page."""

from __future__ import annotations

from benchmarks.metrics.retrieval_metrics import NDCG
from benchmarks.retrieval.hard_negatives import EDITS, WINS
from selip.records.declaration import Declared, DeclaredFigure, DeclaredTable

IMAGE_TO_TEXT, TEXT_TO_IMAGE = "image_to_text", "text_to_image"
DIRECTIONS = {IMAGE_TO_TEXT: "image → text", TEXT_TO_IMAGE: "text → image"}
_MAIN = {name: name.replace("_", " ") for name in ("R@1", "R@5", "R@10", "median_rank", "MRR", NDCG)}
_SMALL = {f"{way}_{name}": f"{words} {name}" for way, words in DIRECTIONS.items() for name in ("R@10", "MRR")}
_HARD = {f"{name}/{WINS}": name.replace("_", " ") for name in EDITS}
_TABLES = (
    *(
        DeclaredTable(
            title=f"{words.capitalize()}, abnormal volumes",
            columns={f"abnormal/{way}_{name}": head for name, head in _MAIN.items()},
            counted=f"abnormal/{way}/candidates",
        )
        for way, words in DIRECTIONS.items()
    ),
    DeclaredTable(
        title="Hard negatives, abnormal volumes",
        columns=_HARD,
        caption="How often the true text scores above the same text with one thing made wrong, balanced so that an "
        "answer without the volume, the text that is commoner in train, scores what the majority does.",
    ),
    DeclaredTable(
        title="Combinations of lesion type and place that train has, and that it lacks",
        columns={
            f"{part}/{way}_{name}": f"{part}, {words} {name}"
            for name in ("R@10", NDCG)
            for part in ("seen", "unseen")
            for way, words in DIRECTIONS.items()
        },
        caption="Abnormal volumes; each part is its own gallery with its own chance.",
    ),
    DeclaredTable(
        title="All volumes",
        columns={f"all/{name}": head for name, head in _SMALL.items()},
        caption="Abnormal and normal; every normal text is the same candidate.",
        detail=True,
    ),
    DeclaredTable(
        title="Macro over unique texts",
        columns={f"macro/{name}": head for name, head in _SMALL.items()},
        caption="All volumes, each text counted once however many volumes share it.",
        detail=True,
    ),
    *(
        DeclaredTable(
            title=f"{words.capitalize()} R@10 by contrast, abnormal volumes",
            columns={f"contrast_*/{way}_R@10": "*"},
            caption="Each contrast is its own pool with its own candidates and chance.",
            detail=True,
        )
        for way, words in DIRECTIONS.items()
    ),
)


def _panels(metric: str) -> dict[str, str]:
    return {f"abnormal/{way}_{metric}": f"{words.capitalize()}, {metric}" for way, words in DIRECTIONS.items()}


_FIGURES = (
    DeclaredFigure(name="recall_at_10", title="Recall at 10, abnormal volumes", panels=_panels("R@10")),
    DeclaredFigure(name="ndcg_at_10", title="Graded ranking, abnormal volumes", panels=_panels(NDCG)),
    DeclaredFigure(
        name="hard_negatives",
        title="Hard negatives, abnormal volumes",
        panels=_HARD,
    ),
    DeclaredFigure(
        name="contrasts",
        title="By contrast",
        panels={"contrast_*/image_to_text_R@10": "Image → text R@10 by contrast"},
        kind="map",
        caption="Abnormal volumes of one contrast at a time, each with its own candidates",
    ),
)
DECLARED = Declared(
    family="retrieval",
    label="retrieval",
    place=0,
    headline=("abnormal/image_to_text_R@10",),
    headline_label="image → text R@10 of abnormal volumes",
    also=("abnormal/text_to_image_R@10",),
    pools=("abnormal", "all"),
    floors={"chance": "chance", "majority": "majority"},
    fewest_items={WINS: 10},
    co_primary=(
        "abnormal/text_to_image_R@10",
        f"abnormal/{IMAGE_TO_TEXT}_{NDCG}",
        f"abnormal/{TEXT_TO_IMAGE}_{NDCG}",
    ),
    tables=_TABLES,
    figures=_FIGURES,
    words=DIRECTIONS,
    task_type="image-text-retrieval",
)
