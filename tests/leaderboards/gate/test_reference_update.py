"""A new reference takes the place of the old one whole, or not at all."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from leaderboards.gate.comparison import read_side
from leaderboards.gate.reference_update import recover, update_reference
from selip.system.errors import InputError


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def candidate(tmp_path, factory):
    factory.add_run(tmp_path / "new", "selip", 0, 24, 1.3)
    factory.add_run(tmp_path / "new", "clip", 0, 24, 1.3)
    return read_side(tmp_path / "new")


@pytest.fixture
def reference(tmp_path, factory):
    """A run directory with one record of the same name and one of another, and files that are no records."""
    folder = tmp_path / "old"
    factory.add_run(folder, "selip", 0, 24, 0.5)
    factory.add_run(folder, "siglip", 0, 24, 0.5)
    (folder / "config.yaml").write_text("name: old\n")
    (folder / "records" / "README.md").write_text("why these\n")
    (folder / "records" / "older").mkdir()
    (folder / "records" / "older" / "notes.json").write_text("{}\n")
    return folder


@pytest.mark.parametrize("named", ["run directory", "records"])
def test_the_records_are_those_of_the_candidate_and_other_files_stay(candidate, reference, named):
    before = contents(reference)
    lines = update_reference(reference if named == "run directory" else reference / "records", candidate)
    after = contents(reference)
    kept = {"config.yaml", "records/README.md", "records/older/notes.json"}
    assert {name: after.pop(name) for name in kept} == {name: before[name] for name in kept}
    assert after == {f"records/{name}": data for name, data in contents(candidate.folder).items()}
    assert "2 files replaced, 2 added, 2 removed" in lines[0]
    assert {line.split(":")[0] for line in lines[1:]} == {"added", "replaced", "removed"}
    assert read_side(reference).records == candidate.records


def test_a_reference_that_does_not_exist_becomes_a_run_directory(candidate, tmp_path):
    update_reference(tmp_path / "deep" / "fresh", candidate)
    assert contents(tmp_path / "deep" / "fresh" / "records") == contents(candidate.folder)


def test_one_record_of_a_folder_is_copied_alone(candidate, tmp_path):
    path = next(candidate.folder.glob("clip*.json"))
    update_reference(tmp_path / "one", read_side(path))
    assert [record.method for record in read_side(tmp_path / "one").records] == ["clip"]


def test_a_single_record_is_no_reference_to_update(candidate):
    with pytest.raises(InputError, match="single record"):
        update_reference(candidate.files[0], candidate)


@pytest.mark.parametrize("broken", ["second copy", "second rename"])
@pytest.mark.parametrize("error", [OSError("no space left"), KeyboardInterrupt()])
def test_a_failure_in_the_middle_leaves_the_old_reference(candidate, reference, monkeypatch, broken, error):
    before, calls = contents(reference), []
    owner, name = (shutil, "copyfile") if broken == "second copy" else (Path, "rename")
    real = getattr(owner, name)

    def failing(*arguments, **options):
        calls.append(arguments)
        if len(calls) == 2:
            raise error
        return real(*arguments, **options)

    monkeypatch.setattr(owner, name, failing)
    with pytest.raises(type(error)):
        update_reference(reference, candidate)
    monkeypatch.undo()
    assert contents(reference) == before
    assert {path.name for path in reference.iterdir()} == {"config.yaml", "records"}


@pytest.mark.parametrize("named", ["run directory", "records"])
def test_what_a_killed_update_moved_away_is_put_back(candidate, reference, monkeypatch, named):
    before = contents(reference)
    folder = reference if named == "run directory" else reference / "records"
    (reference / "records").rename(reference / ".records.old.partial")  # killed between its two renames
    recover(folder)
    assert contents(reference) == before
    monkeypatch.setattr(shutil, "rmtree", lambda *arguments, **options: None)  # killed before the old ones are removed
    update_reference(folder, candidate)
    monkeypatch.undo()
    recover(folder)
    assert {path.name for path in reference.iterdir() if path.is_dir() and "old" in path.name} == set()
    assert read_side(reference).records == candidate.records
