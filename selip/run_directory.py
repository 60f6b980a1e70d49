"""The folder of an experiment and what lies in it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import yaml

from selip.config import ExperimentConfig
from selip.embedding_cache import FOLDER as EMBEDDINGS
from selip.errors import InputError
from selip.files import is_partial, write_atomically
from selip.records import Record, read_record
from selip.settings import to_mapping

IMAGE_ONLY = "the method trains no text tower"
"""Why a benchmark that asks the text tower has no score of a method without one, now and ever."""


def now() -> str:
    """Time in UTC to the second, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass
class RunDirectory:
    """A run directory: config.yaml, cohort/, checkpoints/, embeddings/, records/, log.jsonl, leaderboard/."""

    root: Path
    records: Path = field(init=False)
    checkpoints: Path = field(init=False)
    embeddings: Path = field(init=False)

    def __post_init__(self) -> None:
        """Names its parts."""
        self.records, self.checkpoints = self.root / "records", self.root / "checkpoints"
        self.embeddings = self.root / EMBEDDINGS

    def claim(self, config: ExperimentConfig, resume: bool) -> None:
        """Writes config.yaml into a new directory, or checks that an old one holds the same experiment.

        Methods, seeds and benchmarks may grow from one call to the next; cohort, run and scoring may not change.

        Raises:
            InputError: When the directory is in use and `resume` is off, or holds another experiment.
        """
        path = self.root / "config.yaml"
        text = yaml.safe_dump(to_mapping(config), sort_keys=False)
        if path.is_file():
            if not resume:
                raise InputError(
                    f"got {self.root}, which holds a run; add --resume to continue it, or name a new --out"
                )
            old, new = yaml.safe_load(path.read_text()), yaml.safe_load(text)
            changed = [
                key for key in ("cohort", "transfer", "evaluate_on", "run", "evaluation") if old.get(key) != new[key]
            ]
            if changed:
                raise InputError(
                    f"got another {' and '.join(changed)} than {path}; allowed: the same experiment; name a new --out"
                )
        elif self.root.exists() and not all(is_partial(entry) for entry in self.root.iterdir()):
            raise InputError(f"got {self.root}, which is not empty and no run; name a new folder with --out")
        write_atomically(path, text)

    def is_done(self, run_ids: Iterable[str]) -> bool:
        """Whether each of these runs has a score, or is of a method that the benchmark cannot ask.

        What was skipped for another reason, as a weight that was not here, is tried again.
        """
        return all(self._holds(self.records / f"{run_id}.json") for run_id in run_ids)

    def _holds(self, path: Path) -> bool:
        if not path.is_file():
            return False
        record = read_record(path)
        if record.status != "ok":
            return record.reason == IMAGE_ONLY
        return not record.per_item or (self.records / record.per_item).is_file()

    def records_of(self, label: str) -> list[Record]:
        """The records that the cell `label` has left so far."""
        return [read_record(path) for path in sorted(self.records.glob(f"{label}-*.json"))]

    def log(self, **event: object) -> None:
        """Appends a line to log.jsonl."""
        with (self.root / "log.jsonl").open("a") as file:
            file.write(json.dumps({"time": now(), **event}) + "\n")
