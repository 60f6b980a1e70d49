"""What is guarded, and by how much it may fall: what ranks a benchmark always, more when a file names it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from leaderboards.gate.margins import CO_PRIMARY, PACKAGED, UNNAMED, Margin, guarded_metrics, read_margins
from leaderboards.scores.benchmark_records import read_boards
from leaderboards.scores.headlines import headline_of
from selip.system.errors import InputError


@pytest.fixture(scope="module")
def boards(family_dir):
    return read_boards(family_dir)


@pytest.fixture
def own(tmp_path):
    def read(text):
        path = tmp_path / "margins.yaml"
        path.write_text(text)
        return read_margins(path)

    return read


def test_a_margin_is_the_larger_of_its_two_parts():
    assert Margin(0.05, 0.1).of(0.4) == 0.05
    assert Margin(0.05, 0.1).of(0.8) == pytest.approx(0.08)
    assert Margin(0.05, 0.1).of(-0.8) == pytest.approx(0.08)


def names_of(found):
    return {name: [one.name for one in guarded] for name, guarded in found.items()}


def test_by_default_the_co_primary_or_ranking_metric_of_each_benchmark_is_guarded(boards):
    found = guarded_metrics(boards, {})
    ranking = {name: [headline_of(board.records).key] for name, board in boards.items()}
    assert names_of(found) == ranking | {"retrieval": [CO_PRIMARY]}
    (one,) = found["retrieval"]
    assert one.keys == (headline_of(boards["retrieval"].records).key, *boards["retrieval"].declared.co_primary)
    assert len(one.keys) == 4


def test_the_packaged_file_names_what_is_guarded_and_its_spread(boards):
    packaged = read_margins(PACKAGED)
    assert set(packaged) == set(boards)
    for name, (one,) in guarded_metrics(boards, {}).items():
        assert list(packaged[name].values()) == [one.margin]
        assert one.margin.seed_sd > 0
        assert one.margin.seed_df >= 32


def test_a_benchmark_that_no_file_names_is_guarded_too(boards):
    (one,) = guarded_metrics({"new": replace(boards["segmentation"], benchmark="new")}, {})["new"]
    assert one.margin == UNNAMED


def test_a_file_adds_metrics_and_replaces_margins(boards, own):
    margins = own(
        "retrieval:\n  co_primary: {absolute: 0.2}\n  side_swapped/wins: {absolute: 0.1}\n"
        "segmentation: {fine_tuned/dice: {relative: 0.3}}\n"
    )
    found = guarded_metrics(boards, margins)
    assert {one.name: one.margin for one in found["retrieval"]} == {
        CO_PRIMARY: Margin(0.2),
        "side_swapped/wins": Margin(0.1),
    }
    assert len(found["retrieval"][0].keys) == 4
    assert {one.name for one in found["segmentation"]} == {"frozen/dice", "fine_tuned/dice"}
    assert found["zero_shot"] == guarded_metrics(boards, {})["zero_shot"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("retrival: {image_to_text_R@10: {absolute: 0.1}}", "did you mean 'retrieval'"),
        ("retrieval: {image_to_text_R@11: {absolute: 0.1}}", "abnormal/image_to_text_R@1"),
        ("retrieval: {image_to_text_R@10: {absolut: 0.1}}", "did you mean 'absolute'"),
        ("retrieval: {image_to_text_R@10: {absolute: -0.1}}", "greater than or equal to 0"),
        ("retrieval: {image_to_text_R@10: {relative: .nan}}", "retrieval.image_to_text_R@10.relative"),
        ("retrieval: {image_to_text_R@10: 0.1}", "not a mapping"),
        ("retrieval: 0.1", "no mapping"),
        ("- retrieval", "not a mapping"),
        ("retrieval: {", "unreadable margins file"),
        ("retrieval: {image_to_text_R@10: !!python/name:os.system }", "unreadable margins file"),
    ],
)
def test_what_is_no_margin_is_refused_in_one_line(boards, own, text, message):
    with pytest.raises(InputError) as caught:
        guarded_metrics(boards, own(text))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
