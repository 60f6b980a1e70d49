"""Cards: all that the records say of a method, and the pictures that are its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from leaderboards.figures.example_pictures import PagePicture
from leaderboards.scores.benchmark_records import read_boards
from leaderboards.scores.benchmark_scores import families_of
from leaderboards.scores.paired_differences import ranked
from leaderboards.site.cards import cards_of, configurations_of
from leaderboards.site.first_screen import FirstScreen
from leaderboards.site.page import Site, with_pictures

N = 50
FIRST = FirstScreen("verdict", "size", "order", [], [])


@pytest.fixture(scope="module")
def sheets(family_dir):
    return [sheet for members in families_of(read_boards(family_dir), N).values() for sheet in members]


@pytest.fixture(scope="module")
def cards(sheets):
    return cards_of(sheets, {"clip": 1.25, "selip": 1.75}, configurations_of(sheets))


def test_every_method_has_one_card_those_with_a_rank_first(cards, sheets):
    labels = [card.label for card in cards]
    assert labels[:2] == ["clip", "selip"]
    assert sorted(labels) == sorted({row.label for sheet in sheets for row in sheet.board.rows})
    assert cards[0].rank == "average rank 1.25 of 2"
    assert len({card.anchor for card in cards}) == len(cards)


def test_scores_are_the_boards_own_with_their_place_or_say_what_is_missing(cards, sheets):
    for card in cards:
        own = [(sheet, row) for sheet in sheets for row in sheet.board.rows if row.label == card.label]
        for (sheet, row), line in zip(own, card.scores.lines, strict=True):
            assert line.cells[0].text == sheet.declared.label
            if row.hole:
                assert line.reason
                continue
            places = ranked(sheet.board, sheet.headline.key)
            assert line.cells[3].text == f"{places.index(row) + 1} of {len(places)}"
            values = [record.metrics[sheet.headline.key].value for record in row.scored]
            assert line.cells[2].estimate.value == pytest.approx(sum(values) / len(values))
    mae = next(card for card in cards if card.label == "mae")
    assert any("no text tower" in line.reason for line in mae.scores.lines)


def test_a_card_names_records_seeds_commit_command_and_weights(cards):
    card = next(card for card in cards if card.label == "clip_x2")
    facts = dict(card.facts)
    assert facts["records"] == "17 ok, 1 failed"
    assert facts["seeds"] == "0, 1, 2"
    assert "weights0" in facts["weights, batches"]
    assert {one["commit"] for one in card.commands} == {"0123456789abcdef0123456789abcdef01234567"}
    assert {one["command"].split(" method=")[1].split()[0] for one in card.commands} == {"clip_x2"}


def test_equal_configurations_stand_once(cards, sheets):
    (only,) = configurations_of(sheets)
    assert {found for card in cards for found in card.configurations} == {(only.anchor, only.config_hash)}


def test_a_picture_is_on_the_card_of_the_longest_name_that_it_begins_with(cards):
    names = ("clip-image_to_text", "clip_x2-image_to_text", "segmentation-clip_x2-frozen", "other-1")
    shown = [PagePicture(Path(f"{name}.png"), "data:,", 1, 1) for name in names]
    page = with_pictures(Site("t", "c", True, FIRST, [], [], cards, []), shown)
    owned = {card.label: [one.path.stem for one in card.pictures] for card in page.cards if card.pictures}
    assert owned == {"clip": [names[0]], "clip_x2": [names[1], names[2]]}
    assert [one.path.stem for one in page.pictures] == ["other-1"]
