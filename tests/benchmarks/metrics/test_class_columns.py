from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmarks.metrics.class_columns import answers_of, classes_of, scores_of, stem_of
from selip.system.errors import InputError

FRAME = pd.DataFrame(
    {
        "truth": [0.0, 1.0, np.nan], "predicted": [0.0, 0.0, np.nan], "knn_predicted": [1.0, 1.0, 1.0],
        "truth:small infarct": [1.0, 0.0, np.nan], "truth:plaque": [0.0, 1.0, 0.0], "truth:elsewhere": np.nan,
        "score:small infarct": [0.9, 0.2, np.nan], "score:plaque": [0.1, 0.8, 0.5],
        "knn_score:plaque": [0.3, 0.4, 0.5], "metadata_score:plaque": [0.6, 0.5, 0.4],
    }
)  # fmt: skip


@pytest.mark.parametrize(
    ("metric", "statistic", "expected"),
    [
        ("macro_auroc", "macro_auroc", ("", "")),
        ("auroc:small infarct", "auroc", ("", "small infarct")),
        ("linear_10pct_macro_f1", "macro_f1", ("linear_10pct_", "")),
        ("knn_auprc:T1: low", "auprc", ("knn_", "T1: low")),
        ("linear_mcc/metadata", "mcc", ("metadata_", "")),
        ("linear_auroc:plaque/chance", "auroc", ("chance_", "plaque")),
        ("mcc/majority", "mcc", ("majority_", "")),
    ],
)
def test_the_name_says_where_the_columns_are(metric, statistic, expected):
    assert stem_of(metric, statistic) == expected


def test_a_name_must_end_in_its_statistic():
    for metric, statistic in (("linear", "mcc"), ("xmcc", "mcc"), ("macro_auroc", "auprc"), ("auroc/mcc", "mcc")):
        with pytest.raises(InputError, match="with statistic"):
            stem_of(metric, statistic)


def test_columns_of_a_model_and_a_class():
    assert classes_of(FRAME) == ["small infarct", "plaque"]
    truths, scores = scores_of(FRAME, "macro_auroc", "macro_auroc")
    np.testing.assert_array_equal(truths, FRAME[["truth:small infarct", "truth:plaque"]])
    np.testing.assert_array_equal(scores, FRAME[["score:small infarct", "score:plaque"]])
    _, scores = scores_of(FRAME, "knn_auroc:plaque/metadata", "auroc")
    np.testing.assert_array_equal(scores, FRAME[["metadata_score:plaque"]])
    np.testing.assert_array_equal(answers_of(FRAME, "mcc", "mcc")[1], FRAME["predicted"])
    np.testing.assert_array_equal(answers_of(FRAME, "knn_mcc", "mcc")[1], FRAME["knn_predicted"])


@pytest.mark.parametrize(
    ("change", "metric", "message"),
    [
        ({}, "knn_macro_auroc", "no column knn_score:small infarct in"),
        ({}, "auroc:glioma", "no column truth:glioma in"),
        ({}, "svm_mcc", "no column svm_predicted in"),
        ({}, "mcc:plaque", "leave out :plaque"),
        ({"score:plaque": [0.1, np.nan, 0.2]}, "macro_auroc", r"got 1 values in score:small infarct\|plaque"),
        ({"predicted": [0.0, np.inf, 0.0]}, "mcc", "got 1 values in predicted"),
        ({"truth:plaque": [0.0, 2.0, 1.0]}, "auroc:plaque", "truths beside 0 and 1"),
        ({"truth:HGG/LGG": 1.0}, "macro_auroc", "got class 'HGG/LGG'"),
    ],
)
def test_what_the_table_cannot_give_is_refused(change, metric, message):
    statistic = metric.split(":")[0].removeprefix("knn_").removeprefix("svm_")
    read = answers_of if statistic == "mcc" else scores_of
    with pytest.raises(InputError, match=message) as error:
        read(FRAME.assign(**change), metric, statistic)
    assert "\n" not in str(error.value)


def test_no_class_at_all_is_refused():
    with pytest.raises(InputError, match="got no class with a known truth"):
        scores_of(FRAME[["truth:elsewhere"]], "macro_auroc", "macro_auroc")
