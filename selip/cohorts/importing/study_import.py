"""One study on the cohort's grid, kept as a file of its own until the whole cohort is written.

A piece is named after everything that decides its voxels (files with size and time, levels, grid, version), so an
interrupted import finds what is finished, and a mended file or another setting is read anew.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from joblib import cpu_count, delayed  # type: ignore[import-untyped, unused-ignore]
from numpy.typing import NDArray

from selip import __version__
from selip.cohorts.importing.adapter import StudyFiles
from selip.cohorts.importing.import_plan import Recipe
from selip.cohorts.importing.study_texts import measures_mask
from selip.data.findings import findings_to_json
from selip.data.nifti import Image, label_levels, read_nifti, same_grid
from selip.data.volumes import mask_to_grid, study_grid, to_grid
from selip.system.child_processes import in_processes, living_workers
from selip.system.errors import InputError, is_out_of_memory
from selip.system.files import content_hash, write_atomically
from selip.system.interrupts import was_interrupted

BROKEN_PIECE = (OSError, EOFError, KeyError, ValueError, zlib.error, zipfile.BadZipFile)

SUFFIX = ".npz"
FEW = 4  # studies that are read before worker processes have started

PieceTask = tuple[int, StudyFiles, Path]


@dataclass(frozen=True)
class StudyPiece:
    """One study on the grid.

    Attributes:
        arrays: (n, I, J, K) uint8 in the order of the study's volumes.
        mask: (I, J, K) uint8 with the values of `Cohort.read_masks`, or None.
        findings: JSON of the findings measured from the mask, "" when they were not asked for.
        pieces_left_out: Pieces of the mask that are too small to be in these.
    """

    arrays: NDArray[np.uint8]
    mask: NDArray[np.uint8] | None
    findings: str
    pieces_left_out: int = 0


def make_pieces(
    studies: Sequence[StudyFiles], folder: Path, recipe: Recipe, progress: Callable[[int, int], None] | None = None
) -> dict[int, str]:
    """Makes the pieces that `folder` does not have yet, each in one of the recipe's processes.

    `progress` is called with (studies done, studies in all), those of an earlier run included.

    Returns:
        Position of each study that cannot be read -> why, in one line.

    Raises:
        InputError: A process was killed.
    """
    paths = [piece_path(folder, study, recipe) for study in studies]
    todo = [position for position, path in enumerate(paths) if not path.is_file()]
    tasks = ((position, studies[position], paths[position]) for position in todo)
    failed, done = {}, len(studies) - len(todo)
    try:
        with living_workers():
            for position, reason in _in_parallel(tasks, len(todo), recipe):
                done += 1
                if reason:
                    failed[position] = reason
                if progress is not None:
                    progress(done, len(studies))
    except OSError as error:  # of writing: what goes wrong with reading is a reason
        raise InputError(
            f"got {folder}, which cannot be written ({error}); allowed: room on disk; make some"
        ) from error
    return failed


def _in_parallel(tasks: Iterator[PieceTask], n_tasks: int, recipe: Recipe) -> Iterator[tuple[int, str]]:
    workers = recipe.workers or cpu_count()
    if workers == 1 or n_tasks <= FEW:
        return (_task(task, recipe) for task in tasks)
    return in_processes((delayed(_task)(task, recipe) for task in tasks), workers, return_as="generator_unordered")


def _task(task: PieceTask, recipe: Recipe) -> tuple[int, str]:
    position, study, path = task
    return position, make_piece(study, path, recipe)


def piece_of(study: StudyFiles, folder: Path, recipe: Recipe) -> StudyPiece:
    """The piece of a study, read from its files again when it is damaged.

    Raises:
        InputError: It is damaged, and the study cannot be read any more.
    """
    path = piece_path(folder, study, recipe)
    try:
        return load_piece(path)
    except BROKEN_PIECE:
        return read_piece(study, recipe)


def piece_path(folder: Path, study: StudyFiles, recipe: Recipe) -> Path:
    """File of a study's piece in `folder`."""
    files = [*study.volumes.items(), ("mask", study.mask)]
    facts = [(name, str(path), *_stamp(path)) for name, path in files if path]
    levels = sorted(study.levels.items())
    grid = [recipe.shape, recipe.spacing_mm, recipe.centre]
    key = [__version__, facts, study.mask_contrast, levels, grid, measures_mask(study, recipe.texts)]
    return folder / f"{content_hash(key)}{SUFFIX}"


def make_piece(study: StudyFiles, path: Path, recipe: Recipe) -> str:
    """Reads a study and writes its piece to `path`.

    Returns:
        "", or in one line why the study cannot be read. Whatever goes wrong with a file becomes such a reason: one bad
        file must not stop the other thousands.
    """
    try:
        piece = read_piece(study, recipe)
    except Exception as error:
        if is_out_of_memory(error) or was_interrupted():
            raise  # of this machine or its user, not of the file
        return " ".join(str(error).split()) or type(error).__name__
    words = {"findings": np.array(piece.findings), "pieces_left_out": np.array(piece.pieces_left_out)}
    known: dict[str, Any] = words if piece.mask is None else words | {"mask": piece.mask}
    stream = io.BytesIO()
    np.savez_compressed(stream, arrays=piece.arrays, **known)
    write_atomically(path, stream.getvalue())
    return ""


def load_piece(path: Path) -> StudyPiece:
    """The piece in `path`; its checksums are verified, raises BROKEN_PIECE when it is missing or damaged."""
    with np.load(path, allow_pickle=False) as found:
        return StudyPiece(found["arrays"], found.get("mask"), str(found["findings"]), int(found["pieces_left_out"]))


def read_piece(study: StudyFiles, recipe: Recipe) -> StudyPiece:
    """A study on the recipe's grid.

    Raises:
        InputError: A file is unreadable, the volumes lie apart, or the mask does not fit them.
    """
    read = study.reader or (lambda path, name: read_nifti(path, constant_ok=name == "mask"))
    images = {contrast: read(path, contrast) for contrast, path in study.volumes.items()}
    lesion = _on_grid(study, read(study.mask, "mask"), images) if study.mask else None
    grid = study_grid(list(images.values()), recipe.shape, recipe.spacing_mm, recipe.centre)
    arrays = np.stack([to_grid(image, grid) for image in images.values()])
    if lesion is None:
        return StudyPiece(arrays, None, "")
    mask = mask_to_grid(lesion, grid, study.levels)
    if not measures_mask(study, recipe.texts):
        return StudyPiece(arrays, mask, "")
    from selip.reports.mask_findings import findings_from_mask
    from selip.reports.mask_lesions import count_left_out

    measured = findings_to_json(findings_from_mask(images, lesion, study.levels))
    return StudyPiece(arrays, mask, measured, count_left_out(label_levels(lesion, study.levels), lesion.affine))


def _on_grid(study: StudyFiles, mask: Image, images: dict[str, Image]) -> Image:
    """The mask of a study, which must be on the grid of its volume."""
    names = [study.mask_contrast] if study.mask_contrast else [*images]
    if names[0] not in images:
        raise InputError(f"got mask {study.mask} of {names[0]}, which has no volume; allowed: one; add the volume")
    volume = images[names[0]]
    if not any(same_grid(mask, images[name]) for name in names):
        raise InputError(
            f"got mask {study.mask} on another grid than its volume ({mask.values.shape}, {volume.values.shape}); "
            "allowed: the same voxels and affine; resample it, or name the volume it was drawn on"
        )
    return mask


def _stamp(path: Path) -> tuple[int, int]:
    """Size and time of a file; zeros when it is gone, which reading it will say."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_size, found.st_mtime_ns
