"""Every command of README and docs, run as it stands there, on a budget of seconds: what a reader types works.

Cohorts, steps and networks are made small by appending overrides, pages of runs are left out, executors are this
machine; what a reader has (`my.csv`, `~/data/...`) is small and made up. What is not run is checked against what it
names.
"""

from __future__ import annotations

import configparser
import os
import re
import shlex
import shutil
import sys
import tomllib
import webbrowser
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from selip.cli import main as cli
from selip.cohorts.phantom_glioma import COHORT as GLIOMA
from selip.experiments import dry_run, experiment
from selip.system.registry import registered

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs" / "pages").rglob("*.md"))]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
REPORT = "Acute infarct in the {side} {place}, high signal on DWI and FLAIR. No midline shift."
SIDES = ("left", "right")
PLACES = ("thalamus", "frontal lobe", "parietal lobe", "occipital lobe", "insula", "cerebellum")
TEXTS = [REPORT.format(side=side, place=place) for side in SIDES for place in PLACES]
FIRST = ("README",)  # the others, marked slow, take another minute
ELSEWHERE = ("--executor", "--address", "--submit", "--workers")


def commands(page):
    """The command lines of the bash blocks of a page, continued lines joined, comments gone."""
    for block in re.findall(r"```bash\n(.*?)```", page.read_text(), re.DOTALL):
        for line in re.sub(r"\\\n", " ", block).splitlines():
            for part in line.split(" && "):
                words = shlex.split(part, comments=True)
                if words:
                    yield words


@pytest.fixture(scope="session")
def made(tmp_path_factory, small_cohort_folder, tiny_run):
    """What a reader has: a finished run, tables, reports, downloaded sets, a cohort of another contrast."""
    here = tmp_path_factory.mktemp("reader")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here)
        patch.setattr(experiment, "write_leaderboard", lambda *_: [])
        line = [
            "selip",
            "run",
            "quick",
            "--out",
            "runs/quick",
            "methods=selip,clip",
            f"cohort.path={small_cohort_folder}",
        ]
        assert typed(patch, [*line, *tiny_run, "--workers", "1"]) == 0
    (here / "runs" / "quick" / "cohort").symlink_to(small_cohort_folder)
    shutil.copytree(here / "runs" / "quick" / "records", here / "leaderboards" / "records" / "quick" / "records")
    GLIOMA.build("quick", 0, here / "DIR", patients=30, workers=1, command="", progress=None)
    rows = [f"p{n},s{n},FLAIR,s{n}.nii.gz,{TEXTS[n % len(TEXTS)]}" for n in range(40)]
    table = [("patient", "study", "contrast", "path", "report"), *(row.split(",", 4) for row in rows)]
    (here / "my.csv").write_text("\n".join(",".join(f'"{cell}"' for cell in row) for row in table))
    for n in range(40):
        scan(here / f"s{n}.nii.gz", n)
    page = (ROOT / "docs" / "pages" / "how-to" / "score-yours.md").read_text()
    (here / "mine.py").write_text(re.search(r'```python title="mine.py"\n(.*?)```', page, re.DOTALL)[1])
    (here / "reports.json").write_text('{"r1": "' + TEXTS[0] + '"}')
    (here / "reports.csv").write_text(f'id,report\nr1,"{TEXTS[0]}"\n')
    case = here / "home" / "data" / "MICCAI_BraTS2020_TrainingData" / "BraTS20_Training_001"
    for kind in ("t1", "t1ce", "t2", "flair"):
        scan(case / f"BraTS20_Training_001_{kind}.nii", 0)
    lesion = np.zeros((12, 12, 12), np.uint8)
    lesion[4:7, 6:9, 5:8] = 4
    nib.save(nib.Nifti1Image(lesion, np.diag([10, 10, 10, 1])), case / "BraTS20_Training_001_seg.nii")
    study = here / "home" / "data" / "my-study"
    scan(study / "sub-01" / "anat" / "sub-01_T1w.nii.gz", 0)
    (study / "participants.tsv").write_text("participant_id\tdiagnosis\nsub-01\tcontrol\n")
    return here


def scan(path, seed):
    """A bright ball in noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    points = np.stack(np.meshgrid(*[np.linspace(-1, 1, 12)] * 3, indexing="ij"))
    values = 100 * (np.linalg.norm(points, axis=0) < 0.8) + np.random.default_rng(seed).normal(size=(12, 12, 12))
    nib.save(nib.Nifti1Image(values.astype(np.float32), np.diag([10, 10, 10, 1])), path)


def typed(patch, words):
    """Exit code of a command."""
    patch.setattr(sys, "argv", words)
    try:
        cli.main()
    except SystemExit as stop:
        return stop.code
    return 0


def small(words, cohort, tiny_run):
    """The words of a `selip` command with its budget cut to seconds."""
    verb = words[1]
    if verb in ("run", "train"):
        kept = [word for n, word in enumerate(words) if word not in ELSEWHERE and words[n - 1] not in ELSEWHERE]
        own = [word.split("=")[0] for word in words]
        more = [one for one in tiny_run if one.split("=")[0] not in own]
        if verb == "train":
            return [*kept, *more]
        more += [f"cohort.path={cohort}"] if "cohort.path" not in own else []
        more += ["methods=selip"] if words[2] == "ablation" else ["methods=selip,clip"] if "methods" not in own else []
        return [*kept, *more, "seeds=1", "--workers", "1"]
    if verb == "profile":
        return [*words, *(one for one in tiny_run if one.startswith(("model.", "training."))), "--steps", "2"]
    if words[1:3] == ["cohort", "build"]:
        return [*words, "--patients", "12", "--workers", "1"]
    return [*words, "--workers", "1"] if words[1:3] == ["cohort", "import"] else words


def check_other(words):
    """A command that is not ours names what there is."""
    if words[:4] == ["python", "-m", "pip", "install"]:
        wanted = re.findall(r"\[([\w,]+)\]", words[-1])
        assert all(extra in EXTRAS for names in wanted for extra in names.split(","))
    elif words[:3] == ["python", "-m", "tox"]:
        tox = configparser.ConfigParser(interpolation=None)
        tox.read(ROOT / "tox.ini")
        assert all(f"testenv:{name}" in tox for name in words[words.index("-e") + 1].split(","))
    elif words[:3] == ["python", "-m", "pytest"]:
        assert (ROOT / words[3]).exists()
    elif words[0] == "python":
        assert (ROOT / words[1]).is_file()
    elif words[0] == "source":
        tox = configparser.ConfigParser(interpolation=None)
        tox.read(ROOT / "tox.ini")
        assert f"{tox['testenv']['env_dir']}/bin/activate" == f"{{tox_root}}/{words[1]}"
    elif words[0] in ("git", "cd"):
        assert words in (["git", "clone", "ADDRESS", "selip-bench"], ["cd", "selip-bench"])
    else:
        assert words[:2] == ["bash", ".ci/run"], words


NOT_HERE = {
    "--methods": "its verdict is one of the data: tests/selip/cli/test_compare.py",
    "margin_clip": "the method of the README: tests/test_readme.py",
    "--endpoint": "needs a server: tests/selip/reports/extraction/test_endpoint_extractor.py",
}


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=() if page.stem in FIRST else pytest.mark.slow, id=str(page.relative_to(ROOT)))
        for page in PAGES
    ],
)
def test_commands_of(page, made, small_cohort_folder, tiny_run, tmp_path, monkeypatch, capsys):
    lines = list(commands(page))
    here = tmp_path / "reader"
    if lines:
        shutil.copytree(made, here, symlinks=True)
        monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", str(here / "home"))
    monkeypatch.setattr(dry_run, "SECONDS_TO_TIME", 0.1)
    monkeypatch.setattr(experiment, "write_leaderboard", lambda *_: [])
    monkeypatch.setattr(webbrowser, "open", lambda _: True)
    for words in lines:
        if any(mark in " ".join(words) for mark in NOT_HERE):
            continue
        if words[0] == "torchrun":  # tests/selip/training/test_distributed.py has several processes
            words = ["selip", *words[words.index("selip") + 1 :]]
        if words[0] != "selip":
            check_other(words)
            continue
        words = words[: words.index(">")] if ">" in words else words
        again = words[1:3] == ["run", "quick"] and "runs/quick" in words
        if again:
            shutil.rmtree("runs/quick")
        asked = [os.path.expanduser(word) for word in small(words, small_cohort_folder, tiny_run)]
        assert typed(monkeypatch, asked) == 0, (" ".join(words), capsys.readouterr().err[-300:])
        if again:
            Path("runs/quick/cohort").symlink_to(small_cohort_folder)


def test_the_pages_explain_every_metric():
    text = (ROOT / "docs" / "pages" / "explanation" / "metrics.md").read_text()
    explained = {
        name for cell in re.findall(r"^\| (.*?) \|", text, re.MULTILINE) for name in re.findall(r"`(.*?)`", cell)
    }
    records = ROOT / "leaderboards" / "records" / "study" / "records"
    for path in sorted(records.glob("selip-seed0-*.json")):
        for key in re.findall(r'^  "([^"]+)": \{$', path.read_text(), re.MULTILINE):
            if "/" in key:
                name = re.sub(
                    r"^(image_to_text|text_to_image)[_/]|^(features|embeddings)_\w*?(?=balanced|macro|mcc|ece)",
                    "",
                    key.split("/", 1)[1].split("/")[0] if not key.endswith("/candidates") else "candidates",
                )
                assert re.sub(r":.*", ":CLASS", name) in explained, key


def test_every_command_is_in_the_docs():
    said = "\n".join(page.read_text() for page in PAGES)
    from typer.main import get_command

    group = get_command(cli.app)
    for name, command in group.commands.items():
        for word in getattr(command, "commands", {"": None}):
            assert f"selip {name} {word}".strip() in said


def test_entry_points_named_in_the_docs_are_read(monkeypatch):
    text = (ROOT / "docs" / "pages" / "how-to" / "extend.md").read_text()
    assert re.findall(r'entry-points\."(selip\.\w+)"', text) == ["selip.methods", "selip.ablations"]
    assert "clip" in registered({"clip": "baselines.clip:METHOD"}, "selip.methods")
