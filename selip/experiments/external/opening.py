"""Encoders from outside, opened by what the user names them, and what their records say of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import nn

from selip.data.cohort import Cohort
from selip.experiments.catalogue import find_encoder, registered_names
from selip.models.dual_encoder import weights_hash
from selip.models.encoder import Checked, Encoder, EncoderKind, plain_settings
from selip.records.record import EncoderFacts
from selip.system.errors import InputError
from selip.system.mappings import from_mapping, to_mapping

CHECKPOINT = "checkpoint"
"""The kind of encoder that is our own."""


def open_encoder(spec: str, settings: Mapping[str, Any], cohort: Cohort) -> tuple[Encoder, EncoderFacts]:
    """The encoder of "KIND:ARGUMENT" for the volumes of `cohort`, and what a record says of it.

    Raises:
        InputError: For an unknown kind, setting or file, or when it does not fit the cohort.
    """
    kind, argument = _parted(spec)
    found: Any = from_mapping(kind.settings, settings, kind.name)
    encoder = kind.open(argument, found, cohort.info)
    if kind.name != CHECKPOINT:
        encoder = Checked(encoder, f"{kind.name}:{_short(argument)}")
    return encoder, facts_of(encoder, kind, argument, found)


def facts_of(encoder: Any, kind: EncoderKind, argument: str, settings: Any) -> EncoderFacts:  # noqa: ANN401
    """Facts of an encoder for its records."""
    said, wants = asdict(settings), to_mapping(encoder.wants)
    own = {key: value for key, value in plain_settings(said).items() if key not in wants}
    return EncoderFacts(
        kind=kind.name, spec=f"{kind.name}:{_short(argument)}", wants=wants,
        weights_hash=hash_of(encoder), settings=_plain(own), origin=said.get("origin", ""),
        licence=said.get("licence", ""),
    )  # fmt: skip


def hash_of(encoder: Any) -> str:  # noqa: ANN401
    """SHA-256 (hex) of the weights of an encoder, or of what it answers with; "" where it does not say."""
    return weights_hash(encoder) if isinstance(encoder, nn.Module) else str(getattr(encoder, "weights_hash", ""))


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}


def _parted(spec: str) -> tuple[EncoderKind, str]:
    name, colon, argument = spec.partition(":")
    if not colon or not argument:
        forms = ", ".join(find_encoder(one).source for one in registered_names("encoders"))
        raise InputError(f"got encoder {spec!r}; write KIND:WHAT, one of {forms}")
    return find_encoder(name), argument


def _short(argument: str) -> str:
    """The argument without the folders of a path on this machine."""
    return Path(argument).name if Path(argument.rpartition(":")[0] or argument).exists() else argument


def board_name(text: str) -> str:
    """The name of a row: letters, digits, "_", "." and "-" of `text`; a registered method's is refused."""
    name = re.sub(r"[^\w.-]+", "_", text, flags=re.ASCII).strip("_.-")
    if not name or name in registered_names("methods"):
        raise InputError(f"got the name {text!r} for an encoder; give one that no method has, with --name")
    return name
