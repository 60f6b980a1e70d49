"""The Python interface: `import selip` hands these functions out, and the commands call them.

A method is trained, an encoder is scored, records are read as one tidy table:

    run = selip.train("selip", "my-cohort", "runs/one", ["training.steps=200"])
    selip.evaluate("module:mine.py:make", "my-cohort", ["retrieval"])
    selip.load_results("runs/one")
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from selip.experiments.catalogue import check_names, experiment_file, listing
from selip.experiments.experiment_file import parse_contrasts, read_experiment
from selip.records.metric_key import MetricKey
from selip.system.errors import InputError
from selip.system.mappings import parse_pairs
from selip.system.progress import Report

if TYPE_CHECKING:
    import pandas as pd

    from leaderboards.gate.quality_gate import Gate
    from selip.data.cohort import Cohort
    from selip.experiments.config import ExperimentConfig
    from selip.experiments.executors.base import Execute
    from selip.models.dual_encoder import DualEncoder
    from selip.models.encoder import Encoder
    from selip.records.record import Record

PathLike = Path | str
RESULT_COLUMNS = (
    "run_id", "method", "ablation", "seed", "benchmark", "pool", "metric", "reference", "value", "lower", "upper",
    "n_items", "n_patients", "higher_is_better", "external", "cohort", "status", "reason",
)  # fmt: skip


def list_methods() -> pd.DataFrame:
    """Name, summary and source of every registered method."""
    import pandas as pd

    return pd.DataFrame(listing("methods"))


def load_cohort(folder: PathLike) -> Cohort:
    """Opens a cohort folder; raises InputError when it is none."""
    from selip.data.cohort import Cohort

    return Cohort.open(folder)


def train(
    method: str, cohort: Cohort | PathLike, out: PathLike, overrides: Sequence[str] = (), *, seed: int = 0,
    experiment: str = "quick", resume: bool = False, threads: int = 0, track: str = "",
    command: Sequence[str] = ("selip", "train"), report: Report | None = None,
) -> Path:  # fmt: skip
    """Trains a method on a cohort, scores it, and leaves a run directory.

    Args:
        method: A registered method.
        cohort: A cohort or its folder.
        out: Run directory to write.
        overrides: `key=value` settings, as "training.steps=200".
        seed: Seed of weights, batches and augmentation.
        experiment: Experiment whose settings are taken.
        resume: Whether `out` may hold a part of it already.
        threads: Threads; 0 is one on a CPU.
        track: Tracker that losses are logged to; "" for none.
        command: What the records name as what repeats them.
        report: Where progress goes.

    Returns:
        The checkpoint.

    Raises:
        InputError: For input that no run could use.
    """
    folder = cohort if isinstance(cohort, (Path, str)) else cohort.root
    grid = [f"cohort.path={folder}", "transfer=null", f"methods={method}", f"seeds=[{seed}]"]
    config = read_experiment(experiment_file(experiment), [*overrides, *grid])
    if config.folds:
        raise InputError(f"got folds={config.folds}, and a model of each fold; take 'selip run', train is of one model")
    check_names(config)
    from selip.experiments.run_directory import RunDirectory
    from selip.system.environment import launched_processes

    if launched_processes() == 1:  # a folder is refused before torch is loaded
        RunDirectory(Path(out)).check(config, resume)
    from selip.experiments.executors.local import Local

    run_grid(config, Path(out), resume, command, report or Report(), Local(1, threads), None, track)
    return Path(out) / "checkpoints" / f"{method}-seed{seed}.safetensors"


def run_grid(
    config: ExperimentConfig, out: Path, resume: bool, command: Sequence[str], report: Report, execute: Execute,
    most: int | None, track: str,
) -> list[Path]:  # fmt: skip
    """Runs an experiment, a sweep or an experiment in folds, and returns the files of its leaderboard."""
    if config.doses:
        from selip.experiments.sweep import run_sweep

        return run_sweep(config, out, resume, command, report, execute, most)
    if config.folds and not config.fold:
        from selip.experiments.folds import run_folds

        return run_folds(config, out, resume, command, report, execute, most)
    from selip.experiments.experiment import run_experiment

    return run_experiment(config, out, resume, command, report, execute, most, track)


def load_model(source: PathLike) -> DualEncoder:
    """The model of a checkpoint: a file, or a place of `selip push`, as a folder or OWNER/NAME of the hub.

    Raises:
        InputError: When there is none.
    """
    from selip.models.dual_encoder import load_checkpoint

    if Path(source).is_file():
        return load_checkpoint(Path(source))[0]
    from tempfile import TemporaryDirectory

    from selip.experiments.sharing import pull
    from selip.experiments.sharing_places import place_of

    with TemporaryDirectory() as folder:
        pull(place_of(str(source)), Path(folder) / "model.safetensors")
        return load_checkpoint(Path(folder) / "model.safetensors")[0]


def evaluate(
    encoder: Encoder | PathLike, cohort: Cohort | PathLike | None = None, benchmarks: Sequence[str] = (), *,
    out: PathLike | None = None, settings: Sequence[str] = (), transfer: Cohort | PathLike | None = None,
    like: PathLike | None = None, name: str = "", contrasts: str | Mapping[str, str | None] | None = None,
    command: Sequence[str] = ("selip.evaluate",), report: Report | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Scores an encoder on benchmarks, and writes records where `out` says so: all of them or none.

    Args:
        encoder: An object of `selip.models.encoder.Encoder`, a checkpoint, or "KIND:WHAT" of `selip list encoders`.
        cohort: A cohort or its folder; None with `like`.
        benchmarks: Names of benchmarks; () for those of quick or `like`.
        out: New folder for records; None writes nothing.
        settings: `key=value` texts of the encoder's kind, as "slices=8", and of scoring, as "evaluation.seed=0".
        transfer: A second cohort, for tasks of transfer.
        like: Run directory whose cohorts, benchmarks and settings of scoring are taken.
        name: Name of its row.
        contrasts: How contrasts that it does not know are read, as {"DWI": None}, which leaves them out.
        command: What the records name as what repeats them.
        report: Where progress goes.

    Returns:
        One row a metric, as `load_results`.

    Raises:
        InputError: When something is wrong with the encoder or what it answers.
    """
    from selip.data.cohort_writer import check_free
    from selip.experiments.external import scoring

    if out is not None:
        check_free(Path(out))
    scored = [one for one in settings if one.startswith("evaluation.")]
    own = parse_pairs([one for one in settings if one not in scored])
    place = scoring.place_of(cohort, transfer, like, benchmarks, scored)
    reading = parse_contrasts(contrasts) if isinstance(contrasts, str) else contrasts
    found = scoring.score(encoder, own, place, reading, name, command, report or Report())
    if out is not None:
        scoring.write_scores(Path(out), found)
    return results_of([one.record for one in found])


def load_results(folder: PathLike) -> pd.DataFrame:
    """The records of a run directory: one row a metric or reference, and one for each record without a score."""
    from selip.records.record_files import read_records

    return results_of(read_records(Path(folder) / "records"))


def results_of(records: Sequence[Record]) -> pd.DataFrame:
    """`load_results` of records."""
    import pandas as pd

    return pd.DataFrame([line for one in records for line in _lines(one)], columns=list(RESULT_COLUMNS))


def _lines(record: Record) -> list[dict[str, object]]:
    common = {
        key: getattr(record, key) for key in ("run_id", "method", "ablation", "seed", "benchmark", "status", "reason")
    }
    common |= {"external": record.encoder is not None, "cohort": record.cohort.name}
    lines = []
    for key, metric in record.metrics.items():
        name = MetricKey.parse(key)
        about = {"pool": name.pool, "metric": name.metric, "reference": name.reference}
        lines.append(common | about | metric.model_dump(exclude={"statistic"}))
    return lines or [common]


def compare(reference: PathLike, candidate: PathLike, methods: tuple[str, str] | None = None) -> Gate:
    """Compares the records of two run directories as `selip compare` does: `verdict` and `lines` say how it ends.

    Raises:
        InputError: When the two may not be compared.
    """
    from leaderboards.gate.comparison import one_row, read_side
    from leaderboards.gate.quality_gate import compare as compared

    ours, theirs = read_side(Path(reference)), read_side(Path(candidate))
    if methods:
        ours, theirs = one_row(ours, methods[0]), one_row(theirs, methods[1])
    return compared(ours, theirs, {})


def leaderboard(*runs: PathLike, out: PathLike | None = None, html: bool = True) -> list[Path]:
    """Writes the leaderboard of one or more run directories, and says where its files are.

    Raises:
        InputError: When their records may not stand on one page, or `out` is missing for several.
    """
    from leaderboards.site.build import build_leaderboard

    folders = [Path(run) for run in runs]
    if len(folders) != 1 and out is None:
        raise InputError(f"got {len(folders)} run directories without a folder to write to; name one with --out")
    return build_leaderboard(folders if len(folders) > 1 else folders[0], Path(out) if out else None, html=html)
