from __future__ import annotations

import dataclasses

import pandas as pd

from selip.data.leakage_audit import near_duplicate_reports


def with_reports(cohort, reports):
    rows = [{"study_id": f"s{n}", "split": split, "report": text} for n, (split, text) in enumerate(reports)]
    return dataclasses.replace(cohort, studies=pd.DataFrame(rows))


def test_only_near_identical_reports_across_parts_are_listed(small_cohort):
    text = "Acute infarct in the left thalamus with high signal on DWI and low ADC values, no haemorrhage seen."
    cohort = with_reports(
        small_cohort,
        [
            ("train", text),
            ("train", "A normal examination of the head, age appropriate, without any focal lesion at all."),
            ("test", text.replace("seen", "noted")),
            (
                "val",
                text.upper().replace(".", ""),
            ),
            ("test", "Meningioma at the right convexity with broad dural contact and homogeneous enhancement."),
            ("test", ""),
        ],
    )
    assert near_duplicate_reports(cohort) == [("s2", "s0"), ("s3", "s0")]


def test_a_cohort_without_train_reports_lists_nothing(small_cohort):
    assert near_duplicate_reports(with_reports(small_cohort, [("test", "something"), ("train", "")])) == []
