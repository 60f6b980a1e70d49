"""Untrained towers: the floor. Scored with the initial weights that every method of the seed starts from.

Source: floor; no objective.
"""

from __future__ import annotations

from selip.training.method import Method

METHOD = Method(name="random_init", summary="floor: the initial weights, untrained", source="floor", prepare=None)
