"""What methods are tested on: a preparation with tiny towers, and a batch that fills every view of a Method."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from selip.data.findings import NORMAL_TEXT
from selip.models.settings import ModelConfig
from selip.models.volume_towers import VolumeTower
from selip.similarity.text_similarity import TextTable
from selip.training.batch_views import draw_mask
from selip.training.method import VIEWS, MaskSettings, Preparation, Sizes
from selip.training.objective import Batch
from selip.training.settings import RunConfig

SIDES, PLACES = ("left", "right"), ("thalamus", "insula", "cerebellum", "frontal lobe", "temporal lobe")
SIGNALS = ("high signal", "low signal with high rim", "patchy high signal")
TEXTS = [f"at {side} {place} shows {signal}" for side in SIDES for place in PLACES for signal in SIGNALS]
LABEL_NAMES = ("bleed", "stroke", "tumour")
SIZE, SHAPE, LONGEST, WORD_WIDTH = 16, (16, 16, 8), 7, 16
MODEL = ModelConfig(
    volume_tower="resnet10",
    width=8,
    stages=3,
    stem_kernel=3,
    stem_pool=False,
    pooled_shape=(2, 2, 1),
    embedding_size=32,
)
LEARNED = {"volumes", "texts", "second", "features", "regions", "words", "masked_regions"}


@pytest.fixture(scope="session")
def make_tower():
    """Makes a tiny volume tower with its projection, the same at every call."""

    def make():
        torch.manual_seed(3)
        tower = VolumeTower(MODEL)
        projection = nn.Linear(tower.features, MODEL.embedding_size, bias=False)
        return nn.ModuleDict({"tower": tower, "projection": projection})

    return make


@pytest.fixture(scope="session")
def preparation(make_tower):
    """A run over the texts above, one normal a batch, with the sizes of the tiny tower."""
    table = TextTable.of([*TEXTS, NORMAL_TEXT, f"{TEXTS[0]}; {TEXTS[7]}"])
    rng = np.random.default_rng(0)
    abnormal, normal = (np.flatnonzero(which) for which in (~table.is_normal(), table.is_normal()))
    batches = np.array([[*rng.permutation(abnormal)[: SIZE - 1], *normal] for _ in range(30)])
    tower = make_tower()["tower"]
    channels, *cells = tower.stage_maps(torch.zeros(2, 1, *SHAPE))[-1].shape[1:]
    sizes = Sizes(tower.features, (channels, *cells), WORD_WIDTH, SHAPE)
    return Preparation(table, batches, 0, RunConfig(model=MODEL), sizes, label_names=LABEL_NAMES)


@pytest.fixture(scope="session")
def prepared(preparation):
    """Makes the objective of a method as the trainer does; `changes` are of the preparation."""

    def prepare(method, **changes):
        torch.manual_seed(preparation.seed)
        changed = replace(preparation, **changes)
        return method.prepare(replace(changed, settings=method.settings_in(changed.config)))

    return prepare


@pytest.fixture(scope="session")
def every_field(preparation):
    """All fields of a Batch for the first batch of the run; words and labels follow the text ids."""
    draw, sizes = torch.Generator().manual_seed(1), preparation.sizes
    ids = torch.from_numpy(preparation.batches[0])
    embeddings = [F.normalize(torch.randn(SIZE, MODEL.embedding_size, generator=draw), dim=1) for _ in range(3)]
    maps = [torch.randn(SIZE, *sizes.regions, generator=draw).relu() for _ in range(2)]
    coarse = torch.randn(SIZE, 1, 4, 4, 2, generator=draw)
    return {
        **dict(zip(("volumes", "texts", "second"), embeddings, strict=True)),
        **dict(zip(("regions", "masked_regions"), maps, strict=True)),
        "features": torch.randn(SIZE, sizes.features, generator=draw),
        "words": torch.randn(len(preparation.texts.texts), LONGEST, WORD_WIDTH, generator=draw)[ids],
        "word_mask": torch.arange(LONGEST) < (LONGEST - ids % 4).unsqueeze(1),
        "inputs": F.interpolate(coarse, SHAPE, mode="trilinear"),
        "masked": draw_mask((SIZE, 1, *SHAPE), MaskSettings(), draw),
        "labels": _labels(preparation.texts)[ids],
        "text_ids": ids,
    }


def _labels(texts):
    """(N, K) float32: every abnormal text has at least one label, the normal one none."""
    rng = np.random.default_rng(2)
    labels = rng.random((len(texts.texts), len(LABEL_NAMES))) < 0.3
    labels[np.arange(len(labels)), rng.integers(len(LABEL_NAMES), size=len(labels))] = True
    return torch.from_numpy(labels & ~texts.is_normal()[:, None]).float()


@pytest.fixture(scope="session")
def make_batch(every_field):
    """Makes the batch as a method sees it, views that it did not ask for empty; and its leaves by name."""

    def make(method, dtype=torch.float32, order=None):
        order = torch.arange(SIZE) if order is None else order
        asked = sorted({name for view in method.views for name in VIEWS[view]})
        fields = {name: every_field[name][order] for name in asked}
        leaves = {name: fields[name].to(dtype).requires_grad_() for name in asked if name in LEARNED}
        scale = torch.tensor(1 / 0.07, dtype=dtype, requires_grad=True)
        common = {"volumes": torch.empty(0), "texts": torch.empty(0), "logit_scale": scale}
        return Batch(**{**common, **fields, **leaves}, text_ids=every_field["text_ids"][order]), leaves

    return make
