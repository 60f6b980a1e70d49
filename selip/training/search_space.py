"""Spaces in which settings are tuned, and random draws from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, log

import numpy as np

EDGE = 0.1
"""Outer share of a range, at either end, whose values are said to sit on the edge."""


@dataclass(frozen=True)
class Span:
    """A range of numbers.

    Attributes:
        low: Lowest value.
        high: Highest value.
        is_log: Whether the logarithm is drawn evenly, for ranges of positive numbers.
    """

    low: float
    high: float
    is_log: bool = True

    def draw(self, generator: np.random.Generator) -> float:
        """A value of three significant digits."""
        share = generator.random()
        if self.is_log:
            return float(f"{exp(log(self.low) + share * (log(self.high) - log(self.low))):.3g}")
        return float(f"{self.low + share * (self.high - self.low):.3g}")

    def is_on_edge(self, value: float) -> bool:
        """True within EDGE of either end, on the scale that is drawn from, and beyond it."""
        low, high, at = (log(one) if self.is_log else one for one in (self.low, self.high, value))
        return not EDGE <= (at - low) / (high - low) <= 1 - EDGE


Space = Mapping[str, Span]
"""Range of each setting by its key."""

SHARED: Space = {
    "training.learning_rate_volume": Span(3e-4, 1e-2),
    "training.learning_rate_text": Span(3e-4, 1e-2),
    "training.learning_rate_scalars": Span(1e-3, 1e-1),
    "training.weight_decay": Span(1e-3, 0.3),
    "model.logit_scale_start": Span(4, 40),
}
"""Settings that every method is tuned in."""


def draw_settings(method: str, own: Space, trial: int, seed: int) -> dict[str, float]:
    """Settings of a trial by dotted key: those of SHARED are the same for every method of a trial and seed.

    Args:
        method: Name of the method.
        own: Its own space, by key of its settings.
        trial: Number of the trial.
        seed: Seed of the draws.
    """
    common = np.random.default_rng([seed, trial])
    drawn = {key: span.draw(common) for key, span in SHARED.items()}
    particular = np.random.default_rng([seed, trial, *method.encode()])
    return drawn | {f"methods.{method}.{key}": span.draw(particular) for key, span in own.items()}


def on_edge(settings: Mapping[str, float], method: str, own: Space) -> list[str]:
    """The keys of `settings` whose values sit on the edge of their range."""
    spans = {**SHARED, **{f"methods.{method}.{key}": span for key, span in own.items()}}
    return [key for key, value in settings.items() if key in spans and spans[key].is_on_edge(value)]
