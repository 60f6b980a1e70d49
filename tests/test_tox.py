"""The environments of tox.ini: which of them sees a GPU."""

from __future__ import annotations

from configparser import ConfigParser
from pathlib import Path

WITHOUT_GPU = {"py", "slow", "faults"}
"""Their bounds are those of float32 on a CPU; what a GPU must show is the part of `gpu` and `speed`."""


def test_a_gpu_is_hidden_from_the_tests_of_a_cpu_and_from_no_other():
    tox = ConfigParser(interpolation=None)
    tox.read(Path(__file__).parents[1] / "tox.ini")
    settings = {name.partition(":")[2]: tox[name].get("set_env", "") for name in tox if name.startswith("testenv:")}
    assert {"gpu", "speed", "quick", *WITHOUT_GPU} <= settings.keys()
    assert {name for name, text in settings.items() if "CUDA_VISIBLE_DEVICES = -1" in text} == WITHOUT_GPU
