"""A stranger's model gets a row: scored by the public commands, beside a run, packed, checked; and a wrong one none."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import yaml

import selip
from leaderboards.gate.submission import submit, unpack
from leaderboards.scores.benchmark_records import read_boards
from selip.experiments.catalogue import protocol_versions
from selip.records.record_files import read_per_item, read_records, write_record
from selip.system.errors import InputError

STRANGER = """
import torch
from torch import nn

class Coarse(nn.Module):
    def __init__(self):
        super().__init__()
        self.grid = nn.AdaptiveAvgPool3d((4, 4, 2))

    def forward(self, volumes):
        return self.grid(volumes).flatten(1)

def make():
    return Coarse()
"""
KEY = ["benchmark", "pool", "metric", "reference"]
FEW = "evaluation.n_resamples=50"


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    path = tmp_path_factory.mktemp("stranger") / "mine.py"
    path.write_text(STRANGER)
    assert len([line for line in STRANGER.splitlines() if line.strip()]) <= 15
    return path


@pytest.fixture(scope="module")
def scored(stranger, small_cohort_folder, tmp_path_factory):
    """Records of the stranger's model, by the interface."""
    out = tmp_path_factory.mktemp("scored") / "out"
    selip.evaluate(
        f"module:{stranger}:make", small_cohort_folder, ["linear_probe"], out=out, name="coarse", settings=[FEW]
    )
    return out


def test_a_file_of_fifteen_lines_gets_a_row_in_one_command(command, stranger, small_cohort_folder, tmp_path):
    began = time.process_time()
    code, said, error = command(
        "score", "--encoder", f"module:{stranger}:make", "--cohort", small_cohort_folder, "--out", tmp_path / "run",
        "--benchmarks", "linear_probe,retrieval", "--name", "coarse", FEW, "licence=MIT", "origin=https://example.org",
    )  # fmt: skip
    assert code == 0, error
    assert time.process_time() - began < 60
    records = {one.benchmark: one for one in read_records(tmp_path / "run" / "records")}
    one, skipped = records["linear_probe"], records["retrieval"]
    assert (one.method, one.encoder.licence, one.encoder.origin) == ("coarse", "MIT", "https://example.org")
    assert "not trained on equal terms" in one.encoder.note
    assert (skipped.status, "no text side" in skipped.reason) == ("skipped", True)
    assert "2 records of coarse" in said


def test_embeddings_get_a_row_in_one_command(command, small_cohort, tmp_path):
    ids = small_cohort.volumes["volume_id"].iloc[small_cohort.rows("all")].tolist()
    (tmp_path / "e").mkdir()
    np.save(tmp_path / "e" / "volumes.npy", np.random.default_rng(0).normal(size=(len(ids), 6)))
    (tmp_path / "e" / "volume_ids.txt").write_text("\n".join(ids))
    given = ["score", "--embeddings", tmp_path / "e", "--cohort", small_cohort.root, "--benchmarks", "few_shot", FEW]
    code, _, error = command(*given, "--out", tmp_path / "run")
    assert code == 0, error
    assert [one.status for one in read_records(tmp_path / "run" / "records")] == ["ok"]
    (tmp_path / "e" / "volume_ids.txt").write_text("\n".join(["stranger", *ids[1:]]))
    code, _, error = command(*given, "--out", tmp_path / "other")
    assert (code, error.count("\n")) == (2, 1)
    assert "'stranger'" in error
    assert not (tmp_path / "other").exists(), "nothing half-written"


def test_a_model_that_raises_is_one_line_and_leaves_nothing(command, stranger, small_cohort_folder, tmp_path):
    (tmp_path / "bad.py").write_text(STRANGER.replace("return self.grid(volumes).flatten(1)", "raise ValueError"))
    given = ["--cohort", small_cohort_folder, "--out", tmp_path / "run", "--benchmarks", "linear_probe"]
    code, _, error = command("score", "--encoder", f"module:{tmp_path / 'bad.py'}:make", *given)
    assert (code, error.count("\n")) == (2, 1)
    assert "ValueError" in error
    spec = f"module:{stranger}:make"
    unclear = (["--encoder", "module"], [], ["--encoder", "a:b", "--masks", "x"])
    for wrong in (*unclear, ["--encoder", spec, "slices=3"], ["--encoder", spec, "--name", "clip"]):
        assert command("score", *wrong, *given)[0] == 2
    assert not (tmp_path / "run").exists()


def test_masks_and_class_probabilities_get_rows(command, small_cohort, tmp_path):
    """The true masks score 1, empty ones what an empty mask scores; true classes have an AUROC of 1."""
    info, test = small_cohort.info, small_cohort.volumes.iloc[small_cohort.rows("test")]
    studies = small_cohort.studies.reset_index().set_index("study_id")
    for study in dict.fromkeys(test["study_id"]):
        mask = small_cohort.read_masks([studies.loc[study, "index"]])[0] > 0
        (tmp_path / "m").mkdir(exist_ok=True)
        nib.save(
            nib.Nifti1Image(mask.astype(np.uint8), np.diag([*info.spacing_mm, 1])), tmp_path / "m" / f"{study}.nii.gz"
        )
    given = ["--cohort", small_cohort.root, FEW]
    assert command("score", "--masks", tmp_path / "m", *given, "--out", tmp_path / "masks")[0] == 0
    (record,) = read_records(tmp_path / "masks" / "records")
    assert record.metrics["fine_tuned/dice"].value == 1
    assert record.metrics["fine_tuned/dice/empty"].value < 1
    case = read_per_item(tmp_path / "masks" / "records", record)["item_id"][0]
    (tmp_path / "m" / f"{test.set_index('volume_id').loc[case, 'study_id']}.nii.gz").unlink()
    assert command("score", "--masks", tmp_path / "m", *given, "--out", tmp_path / "fewer")[0] == 2
    assert not (tmp_path / "fewer").exists()
    rows = [(one, "lesion_type", "x", 1.0) for one in test["volume_id"]]
    pd.DataFrame(rows, columns=["volume_id", "task", "class", "probability"]).to_csv(tmp_path / "s.csv", index=False)
    code, _, error = command("score", "--scores", tmp_path / "s.csv", *given, "--out", tmp_path / "scores")
    assert code == 2
    assert "nothing to score" in error, "the cohort is too small for a task, or the class is unknown"
    assert not (tmp_path / "scores").exists()


@pytest.fixture(scope="module")
def same(finished_run, tmp_path_factory):
    """The dual encoder of a run through its checkpoint as an encoder, and through embeddings that it left."""
    folder = tmp_path_factory.mktemp("same")
    checkpoint = finished_run / "checkpoints" / "selip-seed0.safetensors"
    from selip.experiments.external.embedding_export import export_embeddings
    from selip.experiments.external.scoring import place_of

    export_embeddings(f"checkpoint:{checkpoint}", {}, place_of(None, None, finished_run, (), ()), folder / "vectors")
    selip.evaluate(f"embeddings:{folder / 'vectors'}", like=finished_run, out=folder / "exported", name="exported")
    selip.evaluate(selip.load_model(checkpoint), like=finished_run, out=folder / "protocol", name="protocol")
    return folder


def test_metrics_are_equal_through_encoder_embeddings_and_run(finished_run, same):
    ran = selip.load_results(finished_run).query("method == 'selip'")
    for name in ("exported", "protocol"):
        both = ran.merge(selip.load_results(same / name), on=KEY, how="outer", indicator=True)
        assert (both["_merge"] == "both").all()
        for column in ("value", "lower", "upper"):
            np.testing.assert_allclose(both[f"{column}_x"].astype(float), both[f"{column}_y"].astype(float), atol=1e-6)


def test_external_rows_stand_beside_a_run_and_in_no_contrast(finished_run, same, command, tmp_path):
    code, _, error = command(
        "leaderboard", finished_run, same / "exported", same / "protocol", "--out", tmp_path / "b", "--no-html"
    )
    assert code == 0, error
    page = (tmp_path / "b" / "retrieval.md").read_text()
    table = page[page.index("| method |") :]
    assert table.index("selip |") < table.index("External encoders") < table.index("exported |")
    assert "external: not trained on equal terms here" in page
    (board,) = read_boards([finished_run, same / "exported"]).values()
    assert not any("exported" in pair for pair in board.contrasts)
    assert board.row("exported").external
    assert board.frames(board.row("exported"), "abnormal/image_to_text_R@10"), "it has intervals and paired differences"
    assert command("leaderboard", finished_run, same / "exported")[0] == 2, "several need a folder"


def test_an_encoder_scored_on_another_cohort_is_refused(finished_run, scored):
    with pytest.raises(InputError, match="cohort hashes"):
        read_boards([finished_run, _changed(scored, scored.parent / "moved")])


def _changed(run, out):
    for record in read_records(run / "records"):
        cohort = record.cohort.model_copy(update={"content_hash": "other"})
        write_record(out / "records", record.model_copy(update={"cohort": cohort, "per_item": ""}))
    return out


def test_another_training_is_a_row_with_terms_of_its_own(finished_run, tmp_path):
    for record in read_records(finished_run / "records"):
        if record.method != "random_init":
            config = {**record.config, "run": {**record.config["run"], "training": {"steps": 9}}}
            about = {"terms": "other", "config": config, "run_id": f"{record.run_id}b", "config_hash": "c"}
            write_record(
                tmp_path / "b" / "records",
                record.model_copy(update=about),
                read_per_item(finished_run / "records", record),
            )
    selip.leaderboard(finished_run, tmp_path / "b", out=tmp_path / "board", html=False)
    page = (tmp_path / "board" / "retrieval.md").read_text()
    assert "| clip@B |" in page
    assert "| B | clip@B, selip@B |" in page
    (board,) = read_boards([finished_run, tmp_path / "b"]).values()
    assert {("selip", "clip"), ("selip@B", "clip@B")} <= set(board.contrasts)
    assert not {("selip", "clip@B"), ("selip@B", "clip")} & set(board.contrasts)


def test_evaluate_leaves_the_record_of_its_run(finished_run, small_cohort_folder, command, tmp_path):
    checkpoint = finished_run / "checkpoints" / "clip-seed0.safetensors"
    code, _, error = command("evaluate", checkpoint, "--cohort", small_cohort_folder, "--out", tmp_path / "e")
    assert code == 0, error
    (record,) = read_records(tmp_path / "e" / "records")
    (ran,) = (one for one in read_records(finished_run / "records") if one.method == "clip")
    assert record.metrics == ran.metrics
    assert (record.terms, record.training, record.encoder) == (ran.terms, ran.training, None)
    assert (
        command("evaluate", checkpoint, "--cohort", small_cohort_folder, "--out", tmp_path / "v", "--split", "val")[0]
        == 2
    )


def test_a_submission_is_verified_and_holds_no_texts(finished_run, command, tmp_path):
    file = tmp_path / "run.zip"
    assert command("submit", finished_run, "--out", file)[0] == 0
    code, said, _ = command("verify", file)
    assert (code, "wrong" in said) == (0, False)
    assert "only who has the model can score again" in said
    unpack(file, tmp_path / "open")
    records = read_records(tmp_path / "open" / "records")
    assert all("text" not in read_per_item(tmp_path / "open" / "records", one) for one in records)
    submit(finished_run, tmp_path / "texts.zip", texts=True)
    unpack(tmp_path / "texts.zip", tmp_path / "texts")
    assert "text" in read_per_item(tmp_path / "texts" / "records", read_records(tmp_path / "texts" / "records")[0])
    assert command("submit", finished_run, "--out", file)[0] == 2, "a file is never written over"


@pytest.mark.parametrize("field", ["value", "lower", "n_items"])
def test_a_forged_metric_is_caught(field, finished_run, command, tmp_path):
    folder = tmp_path / "run" / "records"
    for record in read_records(finished_run / "records"):
        metrics = dict(record.metrics)
        if record.method == "selip":
            key = "abnormal/image_to_text_R@10"
            forged = metrics[key].model_copy(
                update={field: getattr(metrics[key], field) + (1 if field == "n_items" else 0.01)}
            )
            metrics[key] = forged
        items = read_per_item(finished_run / "records", record)
        write_record(folder, record.model_copy(update={"metrics": metrics}), items)
    submit(tmp_path / "run", tmp_path / "forged.zip")
    code, said, error = command("verify", tmp_path / "forged.zip")
    assert code == 2
    assert "abnormal/image_to_text_R@10" in said
    assert "do not merge it" in error


def test_what_is_no_submission_is_refused(command, finished_run, tmp_path):
    (tmp_path / "no.zip").write_bytes(b"no")
    assert command("verify", tmp_path / "no.zip")[0] == 2
    submit(finished_run, tmp_path / "cut.zip")
    data = (tmp_path / "cut.zip").read_bytes()
    (tmp_path / "cut.zip").write_bytes(data[: len(data) // 2])
    assert command("verify", tmp_path / "cut.zip")[0] == 2
    assert protocol_versions()["retrieval"] == "2"


def test_the_texts_to_embed_are_listed(command, finished_run, tmp_path):
    assert command("export", "texts", "--like", finished_run, "--out", tmp_path / "texts.json")[0] == 0
    texts = json.loads((tmp_path / "texts.json").read_text())
    config = yaml.safe_load((finished_run / "config.yaml").read_text())
    volumes = selip.load_cohort(config["cohort"]["path"]).volumes
    assert set(volumes.loc[volumes["split"] == "test", "text"]) <= set(texts)


def test_the_workflow_of_a_leaderboard_repository_calls_what_there_is():
    from typer.main import get_command

    from selip.cli.main import app

    text = (Path(__file__).resolve().parents[3] / "docs" / "ci" / "leaderboard-repository.yml").read_text()
    (job,) = yaml.safe_load(text)["jobs"].values()
    scripts = "\n".join(step.get("run", "") for step in job["steps"])
    called = set(re.findall(r"selip (\w+) ", scripts))
    assert called == {"verify", "leaderboard"}
    assert called <= set(get_command(app).commands)
