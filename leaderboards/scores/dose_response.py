"""Paired differences over the doses of a sweep, each dose scored on a split of its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from leaderboards.scores.benchmark_records import BenchmarkRecords, read_boards
from leaderboards.scores.headlines import headline_of
from leaderboards.scores.paired_differences import Comparison, declared_contrasts
from selip.system.errors import InputError

DOSES = "doses.json"
BASE, CONTROL = "base", "positive_control"
"""Folders of the experiment as it is, and of the positive control."""


class Dose(BaseModel):
    """A value of a factor, and the folder below doses/ that holds its experiment."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    factor: str
    dose: str
    folder: str


class Sweep(BaseModel):
    """The doses of a sweep, its declared contrasts, and the settings of its positive control."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    summary: str
    doses: tuple[Dose, ...]
    contrasts: tuple[tuple[str, str], ...]
    positive_control: tuple[str, ...] = ()


@dataclass(frozen=True)
class DoseResponse:
    """A sweep and what its records say.

    Attributes:
        sweep: Its doses.
        boards: Folder of a dose to its retrieval-like board: the first benchmark that has a headline.
        compared: Folder, then metric key, to the contrasts that both methods are complete in, Holm-adjusted.
    """

    sweep: Sweep
    boards: dict[str, BenchmarkRecords]
    compared: dict[str, dict[str, list[Comparison]]]

    @property
    def keys(self) -> list[str]:
        """Metrics that are compared, in order."""
        return list(dict.fromkeys(key for found in self.compared.values() for key in found))

    def of(self, folder: str, key: str, contrast: tuple[str, str]) -> Comparison | None:
        """The difference of a contrast at a dose; None where it is not known yet."""
        found = self.compared.get(folder, {}).get(key, [])
        return next((one for one in found if (one.a, one.b) == contrast and one.known), None)

    def control(self, key: str) -> list[Comparison]:
        """The first contrast under the positive control, and those of its method with its controls, as far as known.

        Among these is the negative control, the same similarity between the wrong texts: what it gains too is no gain
        of structure.
        """
        board, first = self.boards.get(CONTROL), self.sweep.contrasts[:1]
        if board is None or not first:
            return []
        method = first[0][0]
        asked = dict.fromkeys([*first, *((method, other) for other in board.controls.get(method, ()))])
        return [found for contrast in asked if (found := self.of(CONTROL, key, contrast))]

    @property
    def can_judge(self) -> bool | None:
        """True where the positive control shows a gain in every metric and contrast; None where it is not known."""
        found = [one for key in self.keys for one in self.control(key)]
        return all(one.separates and one.gain.value > 0 for one in found) if found else None


def read_doses(run_dir: Path, n_resamples: int) -> DoseResponse:
    """Reads a sweep's directory; doses without records yet are left out.

    Raises:
        InputError: When there is no readable list of doses, or no record of any dose.
    """
    path = run_dir / DOSES
    try:
        sweep = Sweep.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise InputError(f"got an unreadable {path} ({' '.join(str(error).split())}); run the sweep again") from error
    boards: dict[str, BenchmarkRecords] = {}
    for folder in dict.fromkeys([BASE, *(one.folder for one in sweep.doses), CONTROL]):
        where = run_dir / "doses" / folder
        if any((where / "records").glob("*.json")):
            found = [board for board in read_boards(where).values() if headline_of(board.records)]
            boards |= {folder: found[0]} if found else {}
    if not boards:
        raise InputError(f"got no scored record of any dose in {run_dir / 'doses'}; run the sweep with --resume")
    compared = {folder: _compared(board, n_resamples) for folder, board in boards.items()}
    return DoseResponse(sweep, boards, compared)


def _compared(board: BenchmarkRecords, n_resamples: int) -> dict[str, list[Comparison]]:
    headline = headline_of(board.records)
    keys = dict.fromkeys([*([headline.key] if headline else []), *board.declared.co_primary])
    return {key: declared_contrasts(board, key, n_resamples) for key in keys}
