"""A sweep of a few doses, from the records that the tests of boards make."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def sweep(tmp_path, factory):
    """Makes a sweep whose doses have the given skills of selip beside clip's .9."""

    def make(skills, control):
        folders = {str(n): f"wordings={n}" for n in range(len(skills))}
        for folder, skill in [*zip(folders.values(), skills, strict=True), ("positive_control", control)]:
            for seed in range(3):
                factory.add_run(tmp_path / "doses" / folder, "clip", seed, 60)
                factory.add_run(tmp_path / "doses" / folder, "selip", seed, 60, skill=skill)
        doses = [{"factor": "wordings", "dose": dose, "folder": folder} for dose, folder in folders.items()]
        facts = {"name": "x", "summary": "", "doses": doses, "contrasts": [["selip", "clip"]]}
        (tmp_path / "doses.json").write_text(json.dumps({**facts, "positive_control": ["wordings=8"]}))
        return tmp_path

    return make
