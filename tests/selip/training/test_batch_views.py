"""Widths of texts on a GPU; that padding changes no feature is in test_text_towers.py."""

from __future__ import annotations

from selip.models.text_towers import MAX_TOKENS
from selip.training.batch_views import WIDTH_STEP, stepped


def test_a_gpu_sees_few_widths_and_each_holds_its_texts():
    widths = {longest: stepped(longest) for longest in range(1, MAX_TOKENS + 1)}
    assert all(0 <= width - longest < WIDTH_STEP for longest, width in widths.items())
    assert len(set(widths.values())) <= 6
    assert stepped(MAX_TOKENS) == MAX_TOKENS
