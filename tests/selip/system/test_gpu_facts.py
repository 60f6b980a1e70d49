"""Whether a GPU can be used, from what a machine says of it; none is needed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from selip.system.gpu import Gpu, describe_gpu, find_gpu, why_not_usable

FINE = Gpu((13, 2), (13, 0), "NVIDIA H100", (9, 0), ("sm_80", "sm_90"), 92600, 70 * 2**30, 80 * 2**30)


def test_a_gpu_in_order_is_usable():
    assert why_not_usable(FINE) == ""
    assert describe_gpu(FINE) == {
        "gpu path": "usable: NVIDIA H100, bfloat16 by default",
        "cuda": "torch for 13.2, driver for 13.0",
        "cudnn": "9.26.0",
        "gpu memory": "70.0 of 80.0 GiB free",
    }


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"runtime": None}, "this torch is built without CUDA"),
        ({"driver": None}, "no NVIDIA driver answers"),
        ({"driver": (12, 8)}, "the driver runs CUDA 12.8, torch needs 13.2; install a newer driver"),
        ({"name": ""}, "torch sees no device"),
        ({"capability": (7, 0)}, "NVIDIA H100 is sm_70, torch has kernels for sm_80, sm_90"),
        ({"capability": (10, 0)}, "NVIDIA H100 is sm_100, torch has kernels for sm_80, sm_90"),
    ],
)
def test_what_stands_in_the_way_is_named(changed, reason):
    found = replace(FINE, **changed)
    assert why_not_usable(found).startswith(reason)
    assert describe_gpu(found)["gpu path"].startswith(f"not usable: {reason}")


@pytest.mark.parametrize("capability", [(8, 6), (8, 9), (9, 0)])
def test_kernels_run_on_later_devices_of_their_major(capability):
    assert not why_not_usable(replace(FINE, capability=capability))


@pytest.mark.parametrize(("version", "slow"), [(90701, False), (90800, True), (91002, True), (91500, False)])
def test_cudnn_that_is_slow_in_bfloat16_is_said(version, slow):
    assert ("slow or wrong" in describe_gpu(replace(FINE, cudnn=version))["cudnn"]) is slow


def test_a_device_without_bfloat16_is_said():
    assert "emulates" in describe_gpu(replace(FINE, capability=(7, 5), built_for=("sm_75",)))["gpu path"]


def test_this_machine_has_one_verdict():
    assert describe_gpu(find_gpu())["gpu path"].split(":")[0] in ("usable", "not usable")
