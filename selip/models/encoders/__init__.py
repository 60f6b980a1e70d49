"""Encoders from outside, one file a kind: one file and one line here adds one."""

from __future__ import annotations

ENCODERS = {
    "open_clip": "selip.models.encoders.open_clip_models:OPEN_CLIP",
    "hf-hub": "selip.models.encoders.open_clip_models:HF_HUB",
    "monai": "selip.models.encoders.monai_networks:ENCODER",
    "module": "selip.models.encoders.torch_modules:MODULE",
    "torchscript": "selip.models.encoders.torch_modules:TORCHSCRIPT",
    "embeddings": "selip.models.encoders.embedding_files:ENCODER",
    "masks": "selip.models.encoders.mask_files:ENCODER",
    "scores": "selip.models.encoders.score_files:ENCODER",
    "checkpoint": "selip.models.encoders.checkpoints:ENCODER",
}
