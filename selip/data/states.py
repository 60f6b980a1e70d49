"""normal, abnormal or unknown: what is known of a volume.

normal when its study is said to be normal, or all that is said of the brain is denied; abnormal when a finding was read
or is known; unknown otherwise. Unknown is a value of its own and no class: such a volume is left out of tasks and of
every pool of normal or abnormal volumes, and its text may still be trained on. An import stores the state of each
volume; where none is stored, as in the phantom, texts are true findings, and the normal sentence alone is normal.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pandas as pd

from selip.data.findings import is_normal, parse_findings_text
from selip.data.tables import is_no_report

COLUMN = "state"
"""Column of volumes.csv, of cohorts whose texts are not the truth in clauses."""
STATES = NORMAL, ABNORMAL, UNKNOWN = ("normal", "abnormal", "unknown")
NORMAL_LABELS = frozenset(
    {
        "normal",
        "healthy",
        "healthy control",
        "healthy controls",
        "normal control",
        "normal controls",
        "no finding",
        "no findings",
        "no abnormality",
        "no abnormalities",
        "unremarkable",
        "healthy volunteer",
        "healthy volunteers",
        "healthy subject",
        "healthy subjects",
        "within normal limits",
        "wnl",
        "正常",
    }
)
"""Labels that say that a study is normal; letter case, hyphens and the words of `_STUDY` do not matter."""
UNTELLING_LABELS = frozenset(
    {
        "",
        "volunteer",
        "volunteers",
        "subject",
        "subjects",
        "cn",
        "nc",
        "abnormal",
        "pathological",
        "control",
        "controls",
        "con",
        "ctrl",
        "hc",
        "patient",
        "patients",
        "case",
        "cases",
        "unknown",
        "other",
    }
)
"""Labels of groups that name no finding and do not call the study normal."""
_STUDY = frozenset({"brain", "mri", "mr", "head", "study", "scan", "examination", "exam", "cranial"})
_NO_FINDING = re.compile(
    r"(?:no|not|without|negative|neg|none|free of|rule out|r/o|possible|possibly|suspected|query|unclear|suspicion)\b"
    r"|(?:questionable|indeterminate|undetermined|unclassified|false|true)\b|non? ?(?:tumou?r|lesion|patholog)|.*\?$"
)


def states_of(volumes: pd.DataFrame) -> npt.NDArray[np.object_]:
    """(n,) one of STATES for each row: the stored state, else what the text says.

    Args:
        volumes: Column text, and the column "state" where states are stored.
    """
    if COLUMN in volumes:
        return volumes[COLUMN].to_numpy(object)
    return np.array([NORMAL if is_normal(text) else ABNORMAL for text in volumes["text"]], dtype=object)


def text_state(text: str) -> str:
    """State of a findings text: normal for the normal sentence, abnormal for clauses, unknown for any other words."""
    if is_normal(text):
        return NORMAL
    clauses = parse_findings_text(text)
    return ABNORMAL if clauses and all(clause.location for clause in clauses) else UNKNOWN


def label_state(labels: Iterable[str]) -> str:
    """State that the labels of a study say: normal when all say so, abnormal when one names a finding."""
    states = {_label_state(label) for label in labels if label.strip()}
    return ABNORMAL if ABNORMAL in states else NORMAL if states == {NORMAL} else UNKNOWN


def _label_state(label: str) -> str:
    """Denials ("no tumour"), doubts ("possible glioma", "stroke?"), numbers and placeholders name no finding."""
    words = " ".join(label.lower().replace("-", " ").replace("_", " ").split())
    plain = " ".join(word for word in words.split() if word not in _STUDY)
    if plain in NORMAL_LABELS:
        return NORMAL
    told = plain in UNTELLING_LABELS or is_no_report(label) or _NO_FINDING.match(words)
    return UNKNOWN if told else ABNORMAL


def finding_labels(labels: Iterable[str]) -> frozenset[str]:
    """The labels that name a finding."""
    return frozenset(label for label in labels if label_state([label]) == ABNORMAL)
