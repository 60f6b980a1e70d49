"""SeLIP-bench: language-image pretraining on head MRI, trained and scored on identical splits.

The Python interface is `selip.experiments.api`, of which a name is loaded when it is first asked for.
"""

from importlib import import_module

__version__ = "0.1.0"
__all__ = [
    "compare", "evaluate", "leaderboard", "list_methods", "load_cohort", "load_model", "load_results", "train",
]  # fmt: skip


def __getattr__(name: str) -> object:
    """The function `name` of the interface, or the module of that name."""
    if name in __all__:
        return getattr(import_module("selip.experiments.api"), name)
    raise AttributeError(f"module 'selip' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Names of the interface."""
    return [*__all__, "__version__"]
