"""Left and right of every language: exchanged when certain, and a text in doubt is left alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selip.data.findings import NORMAL_TEXT, flip_text
from selip.data.languages import is_of_known_language, language_of
from selip.data.sides import can_flip, read_sides
from selip.similarity.text_similarity import TextTable
from selip.training.batch_plan import plan_batches

PAIRS = [
    ("左侧额叶占位，T1呈低信号。", "右侧额叶占位，T1呈低信号。"),
    ("右側基底節區梗死，約3cm左右", "左側基底節區梗死，約3cm左右"),
    ("左前頭葉に腫瘤を認める", "右前頭葉に腫瘤を認める"),
    ("LEFT FRONTAL MASS", "RIGHT FRONTAL MASS"),
    ("Leftward shift of the midline", "Rightward shift of the midline"),
    ("left-sided and leftmost", "right-sided and rightmost"),
    ("Lt. temporal lesion, Rt frontal scar", "Rt. temporal lesion, Lt frontal scar"),
    ("L MCA infarct with R hemiparesis", "R MCA infarct with L hemiparesis"),
    ("Atrophy, L > R", "Atrophy, R > L"),
    ("Mass (L), scar on the R.", "Mass (R), scar on the L."),
    ("LMCA stroke, RUE weakness", "RMCA stroke, LUE weakness"),
    ("left_thalamus", "right_thalamus"),
    ("R/O stroke. L frontal scar", "R/O stroke. R frontal scar"),
    ("Linksseitige Blutung im linken Thalamus", "Rechtsseitige Blutung im rechten Thalamus"),
    ("Infarkt li. frontal mit Ödem", "Infarkt re. frontal mit Ödem"),
    ("Laesie in de linkerhemisfeer van de patiënt", "Laesie in de rechterhemisfeer van de patiënt"),
    ("Lésion frontale gauche.", "Lésion frontale droite."),
    ("Hypersignal du lobe temporal gauche", "Hypersignal du lobe temporal droit"),
    ("Noyaux caudés et thalamus gauches, à droite aussi", "Noyaux caudés et thalamus droits, à gauche aussi"),
    ("Lóbulo frontal izquierdo y cápsulas derechas", "Lóbulo frontal derecho y cápsulas izquierdas"),
    ("Lesione nel lobo destro, a sx", "Lesione nel lobo sinistro, a dx"),
    ("Lesão à esquerda", "Lesão à direita"),
]
UNCERTAIN = [
    "Right away: left frontal mass.",
    "The patient left the scanner early. Right frontal mass.",
    "The clip was left in place in the right frontal lobe.",
    "All right. Left frontal mass.",
    "Right-handed patient with a left frontal mass.",
    "Changes after RT in the left frontal lobe.",
    "Levoscoliosis. Right frontal mass.",
    "The left frontal lesion at L 4.",
    "leftfrontal lesion",
    "The tract links the right thalamus and the cortex.",
    "左利手，右额叶病灶",
    "左旋多巴治疗，右侧苍白球病灶",
    "Linkshänder mit einer Läsion rechts",
    "thalamiques gauche",
    "Le gyrus droit et le lobe gauche",
    "vänster frontallob, right",
    "Zmiana w lewym płacie czołowym",
    "Sol frontal lobda kitle",
    "Образование левой лобной доли",
    "خلف left",
    "Stroke, dx unclear",
]
SAME = [NORMAL_TEXT, "glioma", "high-grade glioma", "No evidence of a mass.", "bilateral lesions", "双侧脑室扩大", "3"]
words = st.sampled_from(
    ["left", "right", "frontal", "Left", "RIGHT", "leftward", "the", "左", "额叶", "links", "droite", "L"]
)


@pytest.mark.parametrize(("text", "other"), [*PAIRS, *((other, text) for text, other in PAIRS)])
def test_the_text_of_the_mirrored_volume_names_the_other_side(text, other):
    assert can_flip(text)
    assert flip_text(text) == other


@pytest.mark.parametrize("text", UNCERTAIN)
def test_a_text_in_doubt_stays_and_is_said_to(text):
    assert not can_flip(text)
    assert flip_text(text) == text


@pytest.mark.parametrize("text", SAME)
def test_a_text_without_a_side_is_its_own_mirror_image(text):
    assert can_flip(text)
    assert flip_text(text) == text


@given(st.lists(words, max_size=8).map(" ".join))
def test_only_a_certain_text_changes_and_all_else_in_it_stays(text):
    swapped, certain = read_sides(text)
    assert len(swapped.split()) == len(text.split())
    assert flip_text(text) == (swapped if certain else text)
    assert [word for word in swapped.split() if word in {"frontal", "the", "额叶"}] == [
        word for word in text.split() if word in {"frontal", "the", "额叶"}
    ]


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("There is a mass in the left lobe.", "en"),
        ("T2 FLAIR高信号，DWI未见异常", "zh"),
        ("Kein Nachweis einer Blutung", "de"),
        ("Pas de lésion dans les ventricules", "fr"),
        ("Brak zmian, bez cech krwawienia, nie jest", "other"),
        ("Норма", "other"),
        ("glioma", "en"),
        ("xyzzy", ""),
        ("", ""),
    ],
)
def test_script_and_common_words_tell_the_language(text, language):
    assert language_of(text) == language
    assert is_of_known_language(text) == (language not in {"other", ""} or not text)


def test_a_pair_in_doubt_is_never_flipped_and_the_others_are_drawn_as_ever():
    texts = ["Right away: left mass.", "at left thalamus shows high signal", "at right insula shows low signal"]
    table = TextTable.of(texts)
    ids, can = table.ids(texts), table.can_flip()
    assert can.tolist() == [text != texts[0] for text in table.texts]
    assert table.twin[ids[0]] == ids[0]
    for flip in ("random", "paired"):
        options = {"steps": 60, "batch_size": 2, "unique_texts": False, "flip": flip, "seed": 0}
        plan = plan_batches(ids, table.twin, can[ids], **options)
        assert not plan.flips[plan.rows == 0].any()
        assert plan.flips[plan.rows != 0].any()
        everything = plan_batches(ids[1:], table.twin, can[ids[1:]], **options)
        assert everything.hash == plan_batches(ids[1:], table.twin, **options).hash


@pytest.mark.parametrize(
    "text",
    [
        "Righ frontal lesion of the brain.", "Lefft thalamus shows high signal.", "Rigth-sided glioma of the brain.",
        "Lesion of the dominant hemisphere of the brain.", "The non-dominant lobe shows a lesion.",
        "Sinistral lesion of the brain.", "sin. frontal lobe meningioma",
    ],
)  # fmt: skip
def test_a_misspelt_or_hidden_side_is_not_flipped(text):
    assert not can_flip(text)
