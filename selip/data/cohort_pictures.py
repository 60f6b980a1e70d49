"""Pictures and counts of a cohort."""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from selip.data.cohort import Cohort, lesion_of
from selip.system.files import write_atomically

TEXT_WIDTH = 62
PANEL_INCHES = 2.1
OUTLINES = ("#ffcc00", "#00d0ff", "#ff5fa2")


def describe_cohort(cohort: Cohort) -> str:
    """Counts of studies and volumes by split, contrast, label, region, side and site, one line each."""
    info, studies, volumes = cohort.info, cohort.studies, cohort.volumes
    findings = [finding for text in studies["findings"] if text for finding in json.loads(text)]
    counts = {
        "studies by split": Counter(studies["split"]),
        "volumes by contrast": Counter(volumes["contrast"]),
        "studies by label": Counter(label for text in studies["labels"] if text for label in json.loads(text)),
        "findings by region": Counter(finding["region"] for finding in findings),
        "findings by side": Counter(finding["side"] for finding in findings),
        "studies by site": Counter(studies["site"]),
    }
    shape, spacing = "x".join(map(str, info.shape)), "x".join(f"{edge:g}" for edge in info.spacing_mm)
    head = [
        f"{_title(cohort)}: {studies['patient_id'].nunique()} patients, {len(studies)} studies, {len(volumes)} volumes",
        f"grid {shape} voxels of {spacing} mm, seed {info.seed}, {volumes['text'].nunique()} different texts",
        f"split {info.split_fingerprint[:12]}, content {info.content_hash[:12]}",
    ]
    return "\n".join(head + [f"{name}: {_listed(count)}" for name, count in counts.items() if count])


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name or 'unknown'} {count}" for name, count in counts.most_common())


def _title(cohort: Cohort) -> str:
    info = cohort.info
    return f"{info.name} {info.profile}".strip() + (" (synthetic)" if info.synthetic else "")


def show_cohort(cohort: Cohort, png: Path | str, n_studies: int = 6) -> None:
    """Draws studies into a PNG: a row each, a column per contrast, lesion outlines, findings and report beside.

    Slices are axial through the largest part of the lesion, in the radiological convention (the patient's right is on
    the left of the picture; both sides are lettered).

    There are `n_studies` rows: one study of each label set first, in the order of the cohort.
    """
    rows = _chosen(cohort.studies, n_studies)
    contrasts = cohort.info.contrasts
    widths = [1.0] * len(contrasts) + [2.2]
    figure = Figure(figsize=(PANEL_INCHES * sum(widths), PANEL_INCHES * 1.25 * len(rows) + 0.5), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(_title(cohort))
    axes = figure.subplots(len(rows), len(widths), squeeze=False, width_ratios=widths)
    for line, row in zip(axes, rows, strict=True):
        _draw_study(line, cohort, row)
    write_atomically(Path(png), _png_bytes(figure))


def _png_bytes(figure: Figure) -> bytes:
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()


def _chosen(studies: pd.DataFrame, n_studies: int) -> list[int]:
    """Row numbers: the first study of each label set, then the rest, n_studies in all, in order of the cohort."""
    repeat = studies["labels"].duplicated().to_numpy()
    order = [*np.flatnonzero(~repeat), *np.flatnonzero(repeat)]
    return sorted(int(row) for row in order[: max(1, n_studies)])


def _draw_study(axes: np.ndarray, cohort: Cohort, row: int) -> None:
    study = cohort.studies.iloc[row]
    mask = cohort.read_masks([row])[0] if study["has_mask"] == "1" else np.zeros(cohort.info.shape, np.uint8)
    area = lesion_of(mask).sum(axis=(0, 1))
    level = int(area.argmax()) if area.any() else mask.shape[2] // 2
    own = cohort.volumes[cohort.volumes["study_id"] == study["study_id"]]
    for axis, contrast in zip(axes, cohort.info.contrasts, strict=False):
        at = own.index[own["contrast"] == contrast]
        axis.set_title(contrast, fontsize=8)
        if len(at):
            draw_slice(axis, cohort.read_volumes([at[0]])[0, :, :, level], mask[:, :, level], cohort.info.spacing_mm)
        else:
            axis.axis("off")
            axis.text(0.5, 0.5, "not in this study", ha="center", va="center", fontsize=7, transform=axis.transAxes)
    axes[-1].axis("off")
    axes[-1].text(0, 1, _caption(study, own), va="top", fontsize=6.5, family="monospace", transform=axes[-1].transAxes)


def draw_slice(axis: Axes, plane: np.ndarray, mask: np.ndarray, spacing_mm: tuple[float, float, float]) -> None:
    """An axial plane (I, J) seen from the feet: axis 0 runs from right to left of the picture."""
    plane, mask = plane[::-1].T, mask[::-1].T
    axis.imshow(plane, origin="lower", cmap="gray", vmin=0, vmax=255, aspect=spacing_mm[1] / spacing_mm[0])
    for number in np.unique(mask[mask > 0]):
        color = OUTLINES[(int(number) - 1) % len(OUTLINES)]
        axis.contour(mask == number, levels=[0.5], colors=color, linewidths=0.8)
    for letter, x, align in (("R", 0.02, "left"), ("L", 0.98, "right")):
        axis.text(x, 0.5, letter, color="white", fontsize=8, ha=align, va="center", transform=axis.transAxes)
    axis.set_xticks([])
    axis.set_yticks([])


def _caption(study: pd.Series, volumes: pd.DataFrame) -> str:
    """Study, labels, the text of each volume and the start of the report, wrapped."""
    labels = ", ".join(json.loads(study["labels"])) if study["labels"] else "no labels"
    lines = [f"{study['study_id']} ({study['split']}, {study['site']}): {labels}"]
    lines += [f"{contrast}: {text}" for contrast, text in zip(volumes["contrast"], volumes["text"], strict=True)]
    lines.append(f"Report: {study['report']}")
    wrapped = [textwrap.wrap(line, TEXT_WIDTH, subsequent_indent="  ", max_lines=6) for line in lines]
    return "\n".join(part for block in wrapped for part in block)
