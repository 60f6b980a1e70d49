"""All that a benchmark says of itself in every record, so that its pages, ranks and gate need no other word of it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class DeclaredTable(_Strict):
    """A table of a benchmark's page.

    Attributes:
        title: Its title; "*" stands for what the pool's "*" stands for.
        columns: Metric, `pool/metric`, to the head of its column; "*" at the end of a pool makes a column a pool.
        caption: A line below it.
        counted: A reference, `pool/metric/reference`, whose number opens the caption, as "165 candidates, 3 seeds.".
        detail: Whether it stands below the main tables.
    """

    title: str
    columns: dict[str, str]
    caption: str = ""
    counted: str = ""
    detail: bool = False


class DeclaredFigure(_Strict):
    """A figure of a benchmark's page.

    Attributes:
        name: File name without ending.
        title: Its title.
        panels: Metric, `pool/metric`, to the title of its panel.
        kind: Intervals of every method, a panel a metric; or a map of methods by the pools that the one metric names.
        caption: How to read a map.
    """

    name: str
    title: str
    panels: dict[str, str]
    kind: Literal["intervals", "map"] = "intervals"
    caption: str = ""


class Declared(_Strict):
    """All that a benchmark says of itself. In patterns, "*" at the end of a pool stands for any rest of its name.

    Attributes:
        family: Page that it stands on, with others of its family.
        label: Its name in words.
        place: Smaller ones come first on a page, and their pages before others.
        headline: Patterns `pool/metric`; the first that records have is the metric that ranks methods, in the first of
            `pools`, and a task in each of them.
        headline_label: The same in words; "" for "statistic (benchmark, pool)".
        higher_is_better: Direction of that metric.
        also: Patterns of further metrics that are tasks.
        pools: Pools that are tasks of their own, in order; empty for every pool.
        transfer_pools: Pools whose volumes are those of the second cohort.
        ranked: Whether its tasks join the average ranks.
        floors: References beside its metrics to their names; a trained method must clear the first, and "majority".
        shortcuts: Floors that know no anatomy: a method that does not clear one has found no more than that.
        trained_floors: Floors that the settings of a run decide, so that those of an ablation may differ.
        fewest_items: Metrics, without their pools, to the fewest items from which they have a number on a page.
        co_primary: Metrics beside the headline on equal terms, in its direction: a sentence needs all of them.
        tables: Columns of its page; empty for the headline by pool, then all that is found.
        figures: Figures of its page; empty for the intervals of the headline.
        words: Names, as of pools and statistics, to what a reader calls them.
        task_type: What the Hugging Face hub calls such a task.
    """

    family: str
    label: str
    place: int = 100
    headline: tuple[str, ...] = Field(min_length=1)
    headline_label: str = ""
    higher_is_better: bool = True
    also: tuple[str, ...] = ()
    pools: tuple[str, ...] = ()
    transfer_pools: tuple[str, ...] = ()
    ranked: bool = True
    floors: dict[str, str] = {"chance": "chance"}
    shortcuts: tuple[str, ...] = ("metadata",)
    trained_floors: tuple[str, ...] = ()
    fewest_items: dict[str, int] = {}
    co_primary: tuple[str, ...] = ()
    tables: tuple[DeclaredTable, ...] = ()
    figures: tuple[DeclaredFigure, ...] = ()
    words: dict[str, str] = {}
    task_type: str = "image-classification"
