"""Draws the pictures of README and docs again: `python docs/pictures.py`, from the phantom and committed records.

The wide one needs nothing; those of pages are of headless Chromium, and stay as they are where there is none.
"""

from __future__ import annotations

import sys
from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from markdown import markdown
from matplotlib.figure import Figure, SubFigure

from baselines.selip import SelipSettings, selip_loss
from leaderboards.figures import plots
from leaderboards.figures.example_pictures import shorten
from leaderboards.gate.comparison import one_row, read_side
from leaderboards.gate.quality_gate import compare
from leaderboards.gate.report import gate_markdown
from leaderboards.scores.benchmark_records import read_boards
from leaderboards.scores.benchmark_scores import BenchmarkScores, families_of
from leaderboards.scores.headlines import metric_words
from leaderboards.site.answer import verdict_of
from selip.cohorts.phantom.generate import build
from selip.data.cohort import Cohort
from selip.data.cohort_pictures import draw_slice
from selip.experiments.search import lesion_slice
from selip.similarity.settings import SimilarityConfig
from selip.similarity.text_similarity import similarity_of_texts

ROOT = Path(__file__).parents[1]
RECORDS, PICTURES = ROOT / "leaderboards" / "records", ROOT / "leaderboards" / "pictures"
PATIENTS, TEXTS, STUDY = 24, 12, 3
"""Of the phantom that is built for the wide picture: patients, texts in T, and the study that is shown."""
LETTERS = {"✅": ("✓", "#146c34"), "❔": ("?", "#7a4300"), "❌": ("✗", "#b42318")}
"""For machines without a font of pictures."""
COMMENT_STYLE = """body { font: 15px/1.5 "DejaVu Sans", sans-serif; margin: 1.2rem; color: #1c2430; }
table { border-collapse: collapse; font-size: 12px; } td, th { border: 1px solid #d0d7de; padding: .25rem .5rem; }
h1 { font-size: 1.4rem; } h3 { font-size: 1rem; }"""


def targets_of(texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """T (B, B) of clip and of selip for a batch of texts; rows sum to 1."""
    similarity = torch.tensor(similarity_of_texts(texts, texts, SimilarityConfig()), dtype=torch.float32)
    softened = selip_loss(torch.zeros_like(similarity), similarity, SelipSettings()).targets
    assert softened is not None
    return np.eye(len(texts)), softened.numpy()


def retrieval_of(records: Path) -> list[BenchmarkScores]:
    """Scores of the benchmarks of a run directory's first family."""
    return next(iter(families_of(read_boards([records]), 10_000).values()))


def wide_picture(cohort: Cohort, records: Path) -> Figure:
    """A volume with its report, T of clip and selip, and selip minus each control with the verdict: one line wide."""
    figure = Figure(figsize=(14, 3.9), layout="constrained")
    figure.suptitle(f"SYNTHETIC · {cohort.info.name} {cohort.info.profile}: {', '.join(cohort.info.contrasts)}")
    left, middle, right = figure.subfigures(1, 3, width_ratios=(4.2, 5, 4.8))
    _draw_study(left, cohort)
    _draw_targets(middle, targets_of(_texts(cohort)))
    _draw_verdict(right, retrieval_of(records))
    return figure


def _texts(cohort: Cohort) -> list[str]:
    """Different texts of abnormal volumes, alike ones together."""
    own = cohort.volumes.loc[cohort.volumes["text"].str.startswith("at "), "text"]
    return sorted(own.drop_duplicates().head(TEXTS), key=lambda text: text.split(" shows ")[0].split()[::-1])


def _draw_study(figure: SubFigure, cohort: Cohort) -> None:
    study = cohort.studies[cohort.studies["has_mask"] == "1"].iloc[STUDY]
    own = cohort.volumes[cohort.volumes["study_id"] == study["study_id"]]
    axes = figure.subplots(1, len(own))
    for one, (_, volume) in zip(axes, own.iterrows(), strict=True):
        draw_slice(one, *lesion_slice(cohort, volume["volume_id"]), cohort.info.spacing_mm)
        one.set_title(volume["contrast"])
    figure.supxlabel(shorten(study["report"], 62, 4), fontsize=9, x=0.02, ha="left")
    figure.suptitle("A study and its report", fontsize=11)


def _draw_targets(figure: SubFigure, targets: tuple[np.ndarray, np.ndarray]) -> None:
    for axes, name, matrix in zip(figure.subplots(1, 2), ("clip", "selip"), targets, strict=True):
        axes.imshow(matrix, cmap="Blues", vmin=0, vmax=1)
        axes.set_title(name)
        axes.set(xticks=[], yticks=[])
        axes.grid(visible=False)
    figure.supxlabel("Row: a volume. Column: a text. Darker: asked for more.", fontsize=9)
    figure.suptitle("The targets T of a batch", fontsize=11)


def _draw_verdict(figure: SubFigure, sheets: list[BenchmarkScores]) -> None:
    contrasts = [c for c in sheets[0].contrasts if c.known]
    metric = metric_words(sheets[0].declared, contrasts[0].key)
    names = [f"− {c.b}" for c in contrasts]
    plots.draw_forest(figure.subplots(), names, contrasts, [c.differs for c in contrasts], metric)
    figure.supxlabel(shorten(verdict_of(sheets, None, []), 70, 3), fontsize=9, x=0.02, ha="left")
    figure.suptitle(f"{contrasts[0].a} minus each control", fontsize=11)


def gate_comment() -> str:
    """The gate's comment on a change that makes unicl of clip, as a page."""
    with chdir(ROOT):  # the comment names the folder as a reader types it
        side = read_side(RECORDS.relative_to(ROOT) / "study")
    shown = gate_markdown(compare(one_row(side, "clip"), one_row(side, "unicl"), {}))
    text = markdown(shown.replace("<details>", '<details markdown="1">'), extensions=["tables", "md_in_html"])
    for sign, (letter, colour) in LETTERS.items():
        text = text.replace(sign, f'<b style="color:{colour}">{letter}</b>')
    return f"<!doctype html><meta charset=utf-8><style>{COMMENT_STYLE}</style>{text}"


def draw_pages(folder: Path, chromium: str) -> None:
    """Takes the first screen of the page of the study and the gate's comment."""
    from playwright.sync_api import sync_playwright

    page_of = {
        "first_screen": RECORDS / "study" / "leaderboard" / "index.html",
        "gate_comment": folder / "gate.html",
    }
    page_of["gate_comment"].write_text(gate_comment())
    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for name, path in page_of.items():
            _take(browser, path, PICTURES / f"{name}.png", whole=name == "gate_comment")
        browser.close()


def _take(browser: Any, path: Path, png: Path, whole: bool) -> None:  # noqa: ANN401 (playwright is no dependency)
    page = browser.new_page(viewport={"width": 1440, "height": 300 if whole else 900})
    page.goto(path.as_uri())
    page.screenshot(path=png, full_page=whole)
    page.close()


def main() -> None:
    """Draws all of them."""
    sys.path.insert(0, str(ROOT / "tests" / "browser"))
    from chromium import find_chromium

    with TemporaryDirectory() as folder:
        cohort = build("quick", 0, Path(folder) / "cohort", patients=PATIENTS, workers=1)
        (PICTURES / "wide.png").write_bytes(plots.render(lambda: wide_picture(cohort, RECORDS / "quick")))
        if found := find_chromium():
            draw_pages(Path(folder), found)


if __name__ == "__main__":
    main()
