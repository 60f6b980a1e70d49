"""The folder of an experiment and what lies in it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from selip.experiments.config import ExperimentConfig
from selip.models.settings import EMBEDDINGS
from selip.records.record import Record
from selip.records.record_files import check_per_item, read_record
from selip.system.environment import now
from selip.system.errors import InputError
from selip.system.files import LOCK, held, is_partial, naming, remove_leftovers, write_all, write_atomically
from selip.system.mappings import to_mapping

if TYPE_CHECKING:
    from selip.experiments.experiment_file import Planned

IMAGE_ONLY = "the method trains no text tower"
"""Why a benchmark that asks the text tower has no score of a method without one, now and ever."""
FIXED = (
    "cohort",
    "transfer",
    "evaluate_on",
    "contrasts",
    "run",
    "evaluation",
    "part",
    "tuned",
    "doses",
    "positive_control",
    "folds",
    "fold",
)
"""What stays the same from one call to the next; methods, seeds and benchmarks may grow."""

Say = Callable[[str], None]


@dataclass
class RunDirectory:
    """A run directory: config.yaml, cohort/, checkpoints/, embeddings/, records/, log.jsonl, leaderboard/.

    One `selip run` at a time holds it, and each of its cells is held by the one process that trains and scores it; both
    are free when their process is gone, however it ended. Readers need no lock: files are written whole or not at all.
    """

    root: Path
    records: Path = field(init=False)
    checkpoints: Path = field(init=False)
    embeddings: Path = field(init=False)

    def __post_init__(self) -> None:
        """Names its parts."""
        self.records, self.checkpoints = self.root / "records", self.root / "checkpoints"
        self.embeddings = self.root / EMBEDDINGS

    @contextmanager
    def claimed(self, config: ExperimentConfig, resume: bool, say: Say) -> Iterator[None]:
        """Holds the directory for this experiment; config.yaml is written, and what killed processes left is removed.

        Raises:
            InputError: When another process holds the directory, it is in use and `resume` is off, or it holds another
                experiment.
        """
        self.check(config, resume)
        with held(self.root / LOCK, self._refuse):
            self.check(config, resume, say)  # again: it may have become another's before it was ours
            remove_leftovers(self.root, "**/*.partial")
            write_atomically(self.root / "config.yaml", yaml.safe_dump(to_mapping(config), sort_keys=False))
            yield

    @contextmanager
    def cell(self, label: str, say: Say) -> Iterator[None]:
        """Holds the cell `label`, after the process that holds it, if any: a job that outlived its `selip run`."""
        with held(
            self.checkpoints / f".{label}.lock", lambda holder: say(f"{label}: waiting for {holder}, which works on it")
        ):
            yield

    def _refuse(self, holder: str) -> None:
        raise InputError(f"got {self.root}, in use by {holder}; wait for it, or name a new --out")

    def check(self, config: ExperimentConfig, resume: bool, say: Say = lambda line: None) -> None:
        """Raises InputError when the directory is in use and `resume` is off, or holds another experiment."""
        path = self.root / "config.yaml"
        if path.is_file():
            if not resume:
                raise InputError(
                    f"got {self.root}, which holds a run; add --resume to continue it, or name a new --out"
                )
            old, new = _read_config(path, say), to_mapping(config)
            changed = [key for key in FIXED if old is not None and old.get(key) != new[key]]
            if changed:
                raise InputError(f"got another {' and '.join(changed)} than {path}; name a new --out")
        elif self.root.exists() and not all(map(_is_of_no_run, self.root.iterdir())):
            raise InputError(f"got {self.root}, which is not empty and no run; name a new folder with --out")

    def take_cohort(self, config: ExperimentConfig, say: Say) -> None:
        """Links the generated cohort of the experiment that trained its runs, where that is the same and none is here.

        Raises:
            InputError: When `trained_in` is no run directory.
        """
        if not config.trained_in:
            return
        other, own = Path(config.trained_in), self.root / "cohort"
        known = _read_config(other / "config.yaml", say) if (other / "config.yaml").is_file() else None
        if known is None:
            raise InputError(f"got trained_in={other}, which holds no run; name one of 'selip run', or leave it out")
        if known["cohort"] == to_mapping(config)["cohort"] and (other / "cohort").is_dir() and not own.exists():
            own.symlink_to((other / "cohort").resolve(), target_is_directory=True)

    def is_done(self, run_ids: Iterable[str], say: Say = lambda line: None) -> bool:
        """True when each of these runs has a score, or is of a method that the benchmark cannot ask.

        What was skipped for another reason, as a weight that was not here, is tried again.
        """
        found = [self._holds(self.records / f"{run_id}.json", say) for run_id in run_ids]
        return all(found)

    def _holds(self, path: Path, say: Say) -> bool:
        if not path.is_file():
            return False
        try:
            record = read_record(path)
            if record.status == "ok":
                check_per_item(self.records, record)
        except InputError as error:
            say(f"made anew: {error}")
            return False
        return record.status == "ok" or record.reason == IMAGE_ONLY

    def is_finished(self, cell: Planned, say: Say) -> bool:
        """True when nothing of a cell is to be done: `is_done`, and no checkpoint that is damaged.

        One that is not here, because somebody needed the room, is not missed.
        """
        path = self.checkpoints / cell.checkpoint
        sound = True
        if path.is_file():
            from selip.system.sealed_tensors import read_sealed

            try:
                read_sealed(path)
            except ValueError as error:
                say(f"made anew: got a damaged {path} ({error})")
                sound = False
        return self.is_done(cell.record_ids.values(), say) and sound

    def records_of(self, label: str) -> list[Record]:
        """The records that the cell `label` has left so far, less those that are damaged.

        Of folds that share their checkpoints, as folds of a cohort that is evaluated on do, those of every fold.
        """
        found = []
        folders = self.root.parent.glob("*/records") if self.checkpoints.is_symlink() else [self.records]
        for path in sorted(path for folder in folders for path in folder.glob(f"{label}-*.json")):
            with suppress(InputError):
                found.append(read_record(path))
        return found

    def log(self, **event: object) -> None:
        """Appends a line to log.jsonl, in one piece; half a line of a killed process gets its end first."""
        path = self.root / "log.jsonl"
        with naming(path), path.open("a+b", buffering=0) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 1))
            torn = file.read(1) not in (b"", b"\n")
            write_all(file.fileno(), (b"\n" * torn) + json.dumps({"time": now(), **event}).encode() + b"\n")


def _is_of_no_run(path: Path) -> bool:
    """True for what may lie in a new run directory: a lock, what a killed process left, a cohort that others share."""
    return is_partial(path) or path.name == LOCK or path.is_symlink()


def _read_config(path: Path, say: Say) -> dict[str, Any] | None:
    """The experiment in config.yaml; None when it is damaged: the ids of runs tell experiments apart too."""
    try:
        found = yaml.safe_load(path.read_text())
    except (UnicodeDecodeError, yaml.YAMLError):
        found = None
    if not isinstance(found, dict):
        say(f"made anew: got a damaged {path}")
        return None
    return found
