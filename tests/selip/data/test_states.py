"""Labels as people write them: normal, a finding, or neither."""

from __future__ import annotations

import pytest

from selip.data.states import finding_labels, label_state

NORMAL = ("Normal", "normal brain", "Healthy-control", "NORMAL MRI", "healthy_volunteer", "No findings", "WNL")
UNKNOWN = (
    "control", "no tumor", "No_Tumour", "notumor", "negative", "?", "glioma?", "possible stroke", "0", "1", "nan",
    "N/A", "suspected MS", "non-tumor", "patient", "not normal", "abnormal", "brain", "no lesion", "false",
)  # fmt: skip
ABNORMAL = (
    "glioma", "non-enhancing glioma", "non-Hodgkin lymphoma", "nodular heterotopia", "notochordal tumour", "MS", "AD",
    "normal pressure hydrocephalus", "brain metastasis", "high-grade glioma",
)  # fmt: skip


@pytest.mark.parametrize(
    ("label", "state"),
    [
        (label, state)
        for state, some in (("normal", NORMAL), ("unknown", UNKNOWN), ("abnormal", ABNORMAL))
        for label in some
    ],
)
def test_state_of_a_label(label, state):
    assert label_state([label]) == state
    assert finding_labels([label]) == ({label} if state == "abnormal" else set())
