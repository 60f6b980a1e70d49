"""Pairs of cohorts that may hold the same patients."""

from __future__ import annotations

from dataclasses import replace

import pytest

from selip.data.cohort_check import refuse_shared_collections
from selip.data.cohort_declaration import DataSheet
from selip.system.errors import InputError


def test_two_cohorts_of_one_public_collection_are_no_pair_of_train_and_test(small_cohort):
    def of(*names):
        return replace(small_cohort, info=replace(small_cohort.info, sheet=DataSheet(collections=names)))

    with pytest.raises(InputError, match=r"both of TCGA-LGG.*allow_overlap=true"):
        refuse_shared_collections(of("BraTS", "TCGA-LGG"), of("TCGA-LGG"))
    for other in (of("IXI"), small_cohort, None):
        refuse_shared_collections(of("TCGA-LGG"), other)
