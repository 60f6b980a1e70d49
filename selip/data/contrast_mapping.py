"""An explicit mapping, never a guess, from the contrasts of a cohort to those that a model was trained on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from selip.data.findings import CONTRASTS
from selip.data.splits import LEFT_OUT
from selip.system.errors import InputError

if TYPE_CHECKING:
    from selip.data.cohort import Cohort

ContrastReading = dict[str, str | None]
"""Contrast of the scored cohort to the contrast of training whose statistics it is read with; None: left out."""


def resolve_reading(
    known: Iterable[str], cohort: Cohort, asked: Mapping[str, str | None], key: str = "evaluate_on.contrasts"
) -> ContrastReading:
    """Decide how each contrast of `cohort` is read, in the order of CONTRASTS.

    A contrast that training had is read as itself; any other has to be mapped or left out in so many words.

    `known` are the contrasts of the training part. `asked`, said by the user in the words of `key`, goes before the
    rule.

    Raises:
        InputError: For a contrast that is neither known nor mapped, a mapping to one that training did not have, or of
            one that `cohort` does not have.
    """
    names = [name for name in CONTRASTS if name in set(known)]
    present = set(cohort.volumes["contrast"])
    foreign = sorted({*asked} - present)
    if foreign:
        raise InputError(
            f"got {key} for {', '.join(foreign)}, which {cohort.root} does not have; allowed: "
            f"{', '.join(sorted(present))}; leave the others out of it"
        )
    untrained = sorted({value for value in asked.values() if value is not None} - {*names})
    if untrained:
        raise InputError(
            f"got {key} to {', '.join(untrained)}, which training did not have; allowed: {', '.join(names)}, or null "
            "to leave volumes out"
        )
    missing = sorted(present - {*names} - {*asked})
    if missing:
        example = ", ".join(f"{name}: {names[0]}" for name in missing)
        raise InputError(
            f"got {', '.join(missing)} volumes in {cohort.root}, a contrast that training did not have; map each "
            f"to one of {', '.join(names)}, or to null to leave its volumes out; say '{key}={{{example}}}'"
        )
    return {name: asked.get(name, name) for name in CONTRASTS if name in present}


def without_left_out(cohort: Cohort, reading: Mapping[str, str | None]) -> Cohort:
    """`cohort` with the volumes of contrasts that are read as None in no part, and the studies that have no other.

    Rows keep their numbers, so that they still fit the store.
    """
    gone = cohort.volumes["contrast"].isin([name for name, source in reading.items() if source is None])
    if not gone.any():
        return cohort
    empty = ~cohort.studies["study_id"].isin(cohort.volumes.loc[~gone, "study_id"])
    volumes = cohort.volumes.assign(split=cohort.volumes["split"].mask(gone, LEFT_OUT))
    return replace(
        cohort, volumes=volumes, studies=cohort.studies.assign(split=cohort.studies["split"].mask(empty, LEFT_OUT))
    )


def read_as(reading: Mapping[str, str | None]) -> dict[str, str]:
    """The contrasts that are read as another one."""
    return {name: source for name, source in reading.items() if source not in (None, name)}


def reading_words(reading: Mapping[str, str | None]) -> dict[str, str]:
    """Say in words what is done with each contrast that is not read as itself."""
    words = {name: f"read with the training statistics of {source}" for name, source in reading.items()}
    return {name: words[name] if reading[name] else "left out" for name in words if reading[name] != name}
