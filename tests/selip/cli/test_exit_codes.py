"""How commands end when the machine is at fault: one line, exit code 2, and nothing lost."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import selip.system.files
from selip.cli import main as cli
from selip.cli.main import end
from selip.system.errors import InputError, UnavailableError

CPU_MEMORY = (
    "[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate "
    "40000000000 bytes. Error code 12 (Cannot allocate memory)"
)
FULL_AT = {
    "config.yaml": errno.ENOSPC,
    r"selip-seed0\.state\.safetensors": errno.EROFS,
    r"selip-seed0\.safetensors": errno.ENOSPC,
    r"selip-seed0.*\.parquet": errno.EDQUOT,
    r"selip-seed0.*\.json": errno.EACCES,
    r"log\.jsonl": errno.ENOSPC,
    r"clip-seed0\.safetensors": errno.EIO,
    r"audit\.json": errno.ENOSPC,
}


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (InputError("got a; allowed: b"), 2, "got a; allowed: b"),
        (UnavailableError("got no weights"), 2, "got no weights"),
        (KeyboardInterrupt(), 130, "interrupted; the same command with --resume continues"),
        (
            OSError(errno.ENOSPC, "No space left on device", "/x/y"),
            2,
            "disk full while writing /x/y; free space, then",
        ),
        (
            OSError(errno.EROFS, "Read-only file system", "/x/y"),
            2,
            "got [Errno 30] Read-only file system: '/x/y'; name files",
        ),
        (RuntimeError(CPU_MEMORY), 2, "got too little memory for 40000000000 bytes; run again"),
        (MemoryError(), 2, "got too little memory; run again"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), 2, "got too little memory; run again"),
    ],
)
def test_what_the_user_or_the_machine_caused_is_one_line(error, code, line, capsys):
    assert end(error) == code
    said = capsys.readouterr().err
    assert said.startswith(f"selip: {line}")
    assert said.count("\n") == 1


def test_a_process_behind_the_first_leaves_it_to_that_to_speak(monkeypatch, capsys):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    assert end(InputError("got a; allowed: b")) == 2
    assert not capsys.readouterr().err


def test_a_mistake_of_ours_is_shown_and_is_no_regression(monkeypatch, capsys):
    monkeypatch.setattr(cli, "app", lambda **_: {}["ours"])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 70
    *trace, line = capsys.readouterr().err.splitlines()
    assert trace[0].startswith("Traceback")
    assert trace[-1] == "KeyError: 'ours'"
    assert line.startswith("selip: a defect of selip, not of your input: KeyError;")


def test_a_broken_installation_is_no_regression():
    code = "import sys; sys.modules['selip.cli.main'] = None; from selip.__main__ import main; main()"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 70
    assert "selip.cli.main" in ended.stderr


@pytest.fixture
def full_disk(monkeypatch):
    """Sets the pattern of the file of which half fits on disk, and the error of the other half."""
    write_all, full = selip.system.files.write_all, {}

    def write(descriptor: int, data: bytes) -> None:
        name = Path(os.readlink(f"/proc/self/fd/{descriptor}")).name
        for pattern, number in full.items():
            if re.fullmatch(rf"(\.{pattern}\..*)|{pattern}", name):
                write_all(descriptor, data[: len(data) // 2])
                raise OSError(number, os.strerror(number))
        write_all(descriptor, data)

    for module in ("system.files", "experiments.run_directory"):
        monkeypatch.setattr(f"selip.{module}.write_all", write)
    return full


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="reads /proc")
@pytest.mark.usefixtures("no_pages")
def test_a_disk_that_fills_at_any_file_loses_nothing(full_disk, run_again, finished_run, same_records, tmp_path):
    out = tmp_path / "run"
    for pattern, number in FULL_AT.items():
        full_disk.clear()
        full_disk[pattern] = number
        code, _, said = run_again(out, "--resume")
        assert code == 2, pattern
        last = said.splitlines()[-1]
        assert last.startswith(("selip: got ", "selip: disk full while writing "))
        assert re.search(pattern, last), "it says which file"
        assert ("free space" in last) == (number in (errno.ENOSPC, errno.EDQUOT))
        assert "Traceback" not in said
        assert not list(out.rglob("*.partial"))
    full_disk.clear()
    assert run_again(out, "--resume")[0] == 0
    same_records(finished_run, out)
    assert all(line.startswith('{"time"') for line in (out / "log.jsonl").read_text().splitlines())


def test_embeddings_that_do_not_fit_on_disk_are_done_without(
    full_disk, finished_run, small_cohort_folder, tmp_path, command
):
    (tmp_path / "checkpoint.safetensors").write_bytes(
        (finished_run / "checkpoints" / "clip-seed0.safetensors").read_bytes()
    )
    full_disk[r"[0-9a-f]{64}\.safetensors"] = errno.ENOSPC
    code, _, said = command("evaluate", tmp_path / "checkpoint.safetensors", "--cohort", small_cohort_folder)
    assert (code, said) == (0, "")
    assert not list((tmp_path / "embeddings").iterdir())
