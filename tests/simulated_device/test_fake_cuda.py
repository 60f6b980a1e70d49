"""Towers and decoders on fake CUDA tensors: torch itself says which operations it would take there, without one.

The simulated accelerator sees what torch takes on a device of no kind; kernels that only CUDA has are seen here.
"""

from __future__ import annotations

import pytest
import torch
from torch._subclasses import FakeTensorMode
from torch.func import functional_call

from benchmarks.segmentation.decoder import make_segmenter, monai_unet
from selip.experiments.catalogue import experiment_file
from selip.experiments.experiment_file import read_experiment
from selip.models import repeatable_kernels
from selip.models.repeatable_kernels import repeat_exactly
from selip.models.settings import ModelConfig
from selip.models.text_towers import PretrainedTower, ScratchTower, minilm_folder
from selip.models.volume_towers import make_volume_tower

SHAPE = (32, 48, 16)
EACH_ONCE = """
    AccumulateGrad AddBackward0 AvgPool2DBackward0 CatBackward0 CloneBackward0 CopySlices DivBackward0 ExpandBackward0
    GeluBackward0 LeakyReluBackward0 MulBackward0 MulBackward1 PermuteBackward0 ReluBackward0 RepeatBackward0
    SelectBackward0 SliceBackward0 SqueezeBackward1 TBackward0 TransposeBackward0 UnsafeViewBackward0
    UnsqueezeBackward0 ViewBackward0
"""
"""Gradients that are gathered, copied or computed entry by entry."""
DETERMINISTIC = {
    **dict.fromkeys(EACH_ONCE.split(), "each entry is written once"),
    "NativeDropoutBackward0": "the mask that the generator drew, a function of its seed",
    **dict.fromkeys(["SumBackward0", "SumBackward1", "MeanBackward1"], "an expansion"),
    **dict.fromkeys(["AddmmBackward0", "BmmBackward0", "MmBackward0"], "cuBLAS with CUBLAS_WORKSPACE_CONFIG"),
    "ConvolutionBackward0": "cuDNN's deterministic algorithms: Conv3d in the docs of use_deterministic_algorithms",
    "CudnnBatchNormBackward0": "cuDNN: a reduction without atomics; not listed in these docs",
    "NativeLayerNormBackward0": "native/cuda/layer_norm_kernel.cu: a reduction within blocks",
    "SafeSoftmaxBackward0": "native/cuda/SoftMax.cu: a reduction within a block",
    "EmbeddingBackward0": "sorted: Embedding in the docs of use_deterministic_algorithms",
    "UnsafeIndexBackward0": "index_put that adds up sorted indices: native/cuda/Indexing.cu",
    "_OrderedMaxPoolBackward": "ours: selip/models/repeatable_kernels.py",
}


@pytest.fixture
def as_on_cuda(monkeypatch):
    """Fake CUDA tensors, under the kernels that repeat_exactly chooses for a GPU."""
    monkeypatch.setattr(repeatable_kernels, "scoring_device", lambda: torch.device("cuda"))
    monkeypatch.setattr(repeatable_kernels, "_placed", lambda content, shape, device: torch.empty(shape, device=device))
    repeat_exactly()
    yield
    monkeypatch.undo()
    repeat_exactly()


def gradients(network, inputs):
    """Names of the backward operations of a network whose weights and inputs are on CUDA."""
    with FakeTensorMode():
        weights = {
            name: torch.empty(one.shape, dtype=one.dtype, device="cuda").requires_grad_(one.is_floating_point())
            for name, one in network.named_parameters()
        }
        weights |= {
            name: torch.empty(one.shape, dtype=one.dtype, device="cuda") for name, one in network.named_buffers()
        }
        output = functional_call(network, weights, inputs())
        waiting, seen = [output.sum().grad_fn], set()
        while waiting:
            node = waiting.pop()
            if node is not None and node not in seen:
                seen.add(node)
                waiting += [parent for parent, _ in node.next_functions]
        return {type(node).__name__ for node in seen}


def volumes():
    return (torch.empty(2, 1, *SHAPE, device="cuda"),)


def words():
    return torch.zeros(2, 8, dtype=torch.long, device="cuda"), torch.ones(2, 8, dtype=torch.bool, device="cuda")


def tower(*overrides):
    return make_volume_tower(read_experiment(experiment_file("quick"), list(overrides)).run.model, (36, 42, 16))


NETWORKS = {
    "grid": lambda: (tower(), volumes),
    "average": lambda: (tower("model.pooling=average", "model.volume_tower=resnet50"), volumes),
    "slices": lambda: (tower("model.volume_tower=open_clip_slices", "model.slices.slices=2"), volumes),
    "words": lambda: (ScratchTower(20, 32, 1), words),
    "minilm": lambda: (PretrainedTower(load_minilm(), "mean", frozen=False), words),
    "decoder": lambda: (make_segmenter(tower(), frozen=False, seed=0), volumes),
    "unet": lambda: (monai_unet(SHAPE, seed=0), volumes),
}


def load_minilm():
    from transformers import AutoModel

    return AutoModel.from_pretrained(minilm_folder(), dtype=torch.float32)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_gradient_on_cuda_repeats(name, as_on_cuda):
    network, inputs = NETWORKS[name]()
    found = gradients(network.train(), inputs)
    assert found - DETERMINISTIC.keys() == set()
    assert len(found) > 5


def test_a_gradient_that_does_not_repeat_is_seen(as_on_cuda):
    plain = torch.nn.Sequential(torch.nn.Conv3d(1, 2, 3), torch.nn.MaxPool3d(3, 2), torch.nn.AdaptiveAvgPool3d(2))
    found = gradients(plain, volumes)
    assert found - DETERMINISTIC.keys() == {"MaxPool3DWithIndicesBackward0", "AdaptiveAvgPool3DBackward0"}


def test_a_default_tower_keeps_windows_that_overlap_repeatable(as_on_cuda):
    odd = make_volume_tower(ModelConfig(width=4, stages=3, pooled_shape=(3, 4, 2)), (36, 42, 16))
    assert "AdaptiveAvgPool3DBackward0" not in gradients(odd, volumes)
