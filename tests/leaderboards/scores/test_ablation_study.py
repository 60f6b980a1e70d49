"""Ablations: what changed is read from the records, differences are paired with full SeLIP, Holm counts them all."""

from __future__ import annotations

import io

import pandas as pd
import pytest
from matplotlib import style

from benchmarks.statistics.intervals import holm
from leaderboards.figures.ablation_figures import ablation_plots, mix_cells
from leaderboards.figures.plots import STYLE
from leaderboards.figures.sweep_figures import sweep_plots
from leaderboards.scores.ablation_study import studies_of, study_of
from leaderboards.scores.benchmark_records import ablations_of, methods_of, read_boards
from leaderboards.scores.paired_differences import compare_pairs
from leaderboards.scores.tidy_table import to_csv
from leaderboards.site.build import build_leaderboard
from leaderboards.tables.ablation_tables import ablation_frame, ablation_table, ablation_verdicts

PRIMARY = "abnormal/image_to_text_R@10"

N = 1000  # with fewer, no p-value is small enough for Holm over seven
SETTINGS = {
    "similarity": {"mix": "product", "pooling": "mean", "weight_syntax": 0.5, "weight_semantic": 0.5},
    "methods": {},
    "model": {"text_tower": "scratch"},
}
CHANGES = {  # name: (section, settings, skill)
    "lambda_0": ("methods", {"selip": {"kl_weight": 0.0}}, -3.0),
    "lambda_2": ("methods", {"selip": {"kl_weight": 2.0}}, 1.3),
    "mix_0_0": ("similarity", {"mix": "mean", "weight_syntax": 0.0, "weight_semantic": 0.0}, 0.9),
    "mean_mix": ("similarity", {"mix": "mean"}, 1.0),
    "syntax_only": ("similarity", {"mix": "syntax"}, 0.9),
    "best_match": ("similarity", {"pooling": "best_match"}, 1.1),
    "minilm": ("model", {"text_tower": "minilm"}, 50.0),
    "home_made": ("methods", {"selip": {"kl_weight": 1.0}}, 1.2),
}


def config(section=None, settings=None):
    run = {name: dict(values) for name, values in SETTINGS.items()}
    if section:
        run[section] |= settings
    return {"run": run}


def add_selip(factory, folder, seed=0, name="", **changes):
    section, settings, skill = CHANGES.get(name, (None, None, 0.9))
    own = {"kl_weight": 1.0} | (settings["selip"] if section == "methods" else {})
    facts = {"ablation": name, "config": config(section, settings), "config_hash": name or "full", "settings": own}
    return factory.add_run(folder, "selip", seed, **({"skill": skill} | facts | changes))


@pytest.fixture(scope="module")
def folder(tmp_path_factory, factory):
    """Full SeLIP, a method beside it, every ablation of CHANGES, one that failed and one that was skipped."""
    path = tmp_path_factory.mktemp("ablated")
    for seed in (0, 1, 2):
        full = add_selip(factory, path, seed).training
        factory.add_run(path, "clip", seed, config=config(), config_hash="full")
        for name in CHANGES:
            hashes = {"initial_weights_hash": "others"} if name == "minilm" else {}
            add_selip(factory, path, seed, name, training=full.model_copy(update=hashes))
        for name, status in (("lcs", "failed"), ("embedding", "skipped")):
            factory.add_hole(path, "selip", seed, status, f"{name} <u>|", ablation=name, config_hash=name)
    return path


def mean_of(row):
    return sum(row.values(PRIMARY)) / len(row.scored)


@pytest.fixture(scope="module")
def board(folder):
    return read_boards(folder)["retrieval"]


@pytest.fixture(scope="module")
def study(board):
    return study_of(board, N)


@pytest.fixture(scope="module")
def built(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("built")
    build_leaderboard(folder, out, N)
    return out


def drawn(plot):
    with style.context(STYLE):
        return plot.draw()


def lines_of(study):
    table = ablation_table(study)
    return {line.cells[0].text: dict(zip(table.columns, line.cells, strict=False)) for line in table.lines}


def said(folder):
    return [verdict.text for verdict in ablation_verdicts(study_of(read_boards(folder)["retrieval"], N))]


def test_ablations_and_methods_are_parted(board):
    assert [row.label for row in methods_of(board).rows] == ["clip", "selip"]
    assert {row.ablation for row in ablations_of(board).rows} == {"", "lcs", "embedding", *CHANGES}


def test_without_ablations_there_is_no_study(run_dir, built, tmp_path, factory):
    assert study_of(read_boards(run_dir)["retrieval"], N) is None
    factory.add_run(tmp_path, "selip")
    assert not any("ablation" in path.name for path in build_leaderboard(tmp_path, n_resamples=20))
    assert {"ablation.md", "ablation.csv"} <= {path.name for path in built.iterdir()}


def test_only_the_seeds_of_the_ablations_count(tmp_path, factory):
    for seed in (0, 1):
        add_selip(factory, tmp_path, seed)
    add_selip(factory, tmp_path, 1, "lambda_0")
    study = study_of(read_boards(tmp_path)["retrieval"], N)
    assert [record.seed for record in study.full.scored] == [1]
    assert not study.ablations[0].row.hole


def test_what_is_changed_is_read_from_the_records(study):
    changed = {one.name: one.changed for one in study.ablations}
    assert changed["lambda_0"] == "methods.selip.kl_weight=0"
    assert changed["mean_mix"] == "similarity.mix=mean"
    assert changed["home_made"] == ""
    assert "nothing" in lines_of(study)["home_made"]["what is changed"].text


def test_groups_stand_together_and_unknown_ones_last(study):
    groups = [one.known.group for one in study.ablations]
    assert groups == sorted(groups, key=list(dict.fromkeys(groups)).index)
    assert study.ablations[-1].name == "home_made"
    assert next(iter(lines_of(study))) == "full SeLIP"


def test_differences_are_those_to_full_selip_with_holm_over_all(board, study):
    full = board.row("selip")
    for key in study.keys:
        found = [one.differences[key] for one in study.ablations if not one.row.hole]
        assert len(found) == len(CHANGES)
        assert [c.p_holm for c in found] == pytest.approx(
            holm([*(c.difference.p_value for c in found), 1, 1])[:-2]  # one failed, one was skipped
        )
        for comparison, one in zip(found, (a for a in study.ablations if not a.row.hole), strict=True):
            assert comparison.difference == pytest.approx(compare_pairs(board, [(one.row, full)], key, N)[0].difference)


def test_the_table_shows_values_targets_and_start(board, study):
    lines = lines_of(study)
    cell = lines["lambda_0"]["image → text R@10"]
    assert cell.text == f"{mean_of(board.row('selip', 'lambda_0')):.3f}"
    assert cell.estimate.lower <= cell.estimate.value <= cell.estimate.upper
    assert lines["lambda_0"]["entropy of T (nats)"].text == "1.52"
    assert lines["lambda_0"]["diagonal of T"].text == "0.62"
    assert lines["lambda_0"]["train (s)"].text == "61"
    assert {name: lines[name]["start"].text for name in ("lambda_0", "minilm")} == {
        "lambda_0": "same", "minilm": "other weights",
    }  # fmt: skip


def test_the_csv_has_the_numbers_of_the_table(study):
    back = pd.read_csv(io.StringIO(to_csv(ablation_frame(study))), keep_default_na=False, na_values=["", "nan"])
    line = back[(back["ablation"] == "lambda_0") & (back["metric"] == "image_to_text_R@10")].iloc[0]
    comparison = next(one for one in study.ablations if one.name == "lambda_0").differences[PRIMARY]
    numbers = [line[name] for name in ("difference", "difference_lower", "difference_upper", "p")]
    assert numbers == pytest.approx(list(comparison.difference[:4]))
    assert line["p_holm"] == pytest.approx(comparison.p_holm)
    assert set(back.loc[back["ablation"] == "lcs", "status"]) == {"hole"}
    assert set(back.loc[back["ablation"] == "embedding", "status"]) == {"skipped"}
    assert len(back) == 4 * (len(CHANGES) + 1) + 2


def test_verdicts_name_what_differs_and_what_does_not(folder):
    lines = said(folder)
    worse = next(line for line in lines if line.startswith("Below full SeLIP"))
    assert "lambda_0" in worse
    assert f"over {len(CHANGES) + 2} ablations" in worse
    assert "minilm" in next(line for line in lines if line.startswith("Above full SeLIP"))
    assert "home_made" in next(line for line in lines if "cannot separate" in line)
    assert any(line.startswith("Smallest detectable difference") for line in lines)
    assert any(line.startswith("3 seeds") for line in lines)
    assert "minilm (weights)" in next(line for line in lines if "Another start" in line)
    assert any(line.startswith("Not scored here") and "embedding" in line for line in lines)


def test_one_seed_calls_no_ablation_better_or_worse(tmp_path, factory):
    for name in ("", "lambda_0", "minilm"):
        add_selip(factory, tmp_path, name=name)
    lines = said(tmp_path)
    assert lines[0].startswith("One seed: this page describes one run of each method")
    assert not any(word in line for line in lines[1:] for word in ("Above", "Below", "detectable", "separate", "Holm"))
    study = study_of(read_boards(tmp_path)["retrieval"], N)
    assert {lines_of(study)[name]["p (Holm)"].text for name in ("lambda_0", "minilm")} == {"–"}


def test_a_copy_of_full_selip_does_not_differ(tmp_path, factory):
    for seed in (0, 1, 2):
        add_selip(factory, tmp_path, seed)
        add_selip(factory, tmp_path, seed, "best_match", skill=0.9)
    lines = said(tmp_path)
    assert any(line.startswith("No ablation differs") for line in lines)
    assert any(line.startswith("Equal terms") for line in lines)


def test_without_full_selip_nothing_is_compared_and_values_stay(tmp_path, factory):
    add_selip(factory, tmp_path, name="lambda_0")
    study = study_of(read_boards(tmp_path)["retrieval"], N)
    assert not study.compared
    assert "nothing to compare with" in ablation_table(study).lines[0].reason
    assert lines_of(study)["lambda_0"]["what is changed"].interval == "(methods.selip.kl_weight=0)"
    assert ablation_plots(study) == []
    assert any("no complete row" in line for line in said(tmp_path))
    assert build_leaderboard(tmp_path, n_resamples=20)


def test_cells_of_the_map(study):
    names = {(0.5, 0.5): "mean_mix", (1.0, 0.0): "syntax_only", (0.0, 0.0): "mix_0_0"}
    assert mix_cells(study) == {weights: study.estimate(name).value for weights, name in names.items()}


def test_missing_cells_are_hatched_and_impossible_ones_empty(study, board):
    axes = drawn(next(plot for plot in ablation_plots(study) if plot.name == "ablation_mix")).axes[0]
    assert len(axes.texts) == 3
    assert len([patch for patch in axes.patches if patch.get_hatch()]) == 2  # (0, .5) and (.5, 0); not (1, .5)
    full = mean_of(board.row("selip"))
    assert f"{full:.3f}" in axes.get_title(loc="right")


def test_two_cells_are_no_map_and_one_lambda_no_curve(tmp_path, factory):
    add_selip(factory, tmp_path)
    for name in ("mean_mix", "syntax_only"):
        add_selip(factory, tmp_path, name=name)
    study = study_of(read_boards(tmp_path)["retrieval"], N)
    assert len(mix_cells(study)) == 2
    assert [plot.name for plot in (*ablation_plots(study), *sweep_plots(study))] == ["ablation_differences"]


def test_the_curve_has_full_selip_at_its_own_lambda(study, board):
    axes = drawn(next(plot for plot in sweep_plots(study) if plot.name == "ablation_over_kl_weight")).axes[0]
    curve = next(line for line in axes.lines if len(line.get_xdata()) == 3)
    rows = [board.row("selip", name) for name in ("lambda_0", "", "lambda_2")]
    assert list(curve.get_xdata()) == [0, 1, 2]
    assert list(curve.get_ydata()) == pytest.approx([mean_of(row) for row in rows])


def test_figures_say_synthetic(study):
    for plot in (*ablation_plots(study), *sweep_plots(study)):
        assert drawn(plot).get_suptitle().startswith("SYNTHETIC")


def test_the_page_shows_the_drawn_map_and_curve(study, built):
    html = (built / "index.html").read_text()
    for plot in (*ablation_plots(study)[1:], *sweep_plots(study)):
        assert plot.inline
        assert f'role="img" aria-label="SYNTHETIC: {plot.title}"' in html
    assert "ablation_differences" in (built / "ablation.md").read_text()


def test_pages_hold_methods_and_ablations_apart_and_escaped(built):
    ablation, retrieval = ((built / f"{name}.md").read_text() for name in ("ablation", "retrieval"))
    html = (built / "index.html").read_text()
    assert "lambda_0" not in retrieval
    assert "| lambda_0 | lambda |" in ablation
    assert "clip" not in ablation.split("## Results")[1].split("## Runs")[0]
    assert "(figures/ablation_mix.png)" in ablation
    assert all("SYNTHETIC" in line for line in ablation.splitlines() if line.startswith(("# ", "### ", "![")))
    assert "<u>" not in ablation + html
    assert 'id="ablation"' in html
    assert all(
        (built / "figures" / f"ablation_{name}.png").is_file() for name in ("differences", "mix", "over_kl_weight")
    )


def test_ablations_of_another_method_have_a_page_of_their_own(tmp_path, factory):
    add_selip(factory, tmp_path)
    add_selip(factory, tmp_path, name="lambda_0")
    for name, margin, skill in (("", 0.2, 1.4), ("margin_0", 0.0, 0.4)):
        facts = {"ablation": name, "config": config(), "config_hash": name or "full", "settings": {"margin": margin}}
        factory.add_run(tmp_path, "margin_clip", skill=skill, **facts)
    board = read_boards(tmp_path)["retrieval"]
    assert [row.label for row in methods_of(board).rows] == ["margin_clip", "selip"]
    one, other = studies_of(board, N)
    assert ([one.page, one.full_name], [other.page, other.full_name]) == (
        ["ablation", "full SeLIP"], ["ablation_margin_clip", "full margin_clip"],
    )  # fmt: skip
    assert [(row.name, row.changed) for row in one.ablations] == [("lambda_0", "methods.selip.kl_weight=0")]
    assert [(row.name, row.changed) for row in other.ablations] == [("margin_0", "methods.margin_clip.margin=0")]
    build_leaderboard(tmp_path, tmp_path / "out", N, html=False)
    page = (tmp_path / "out" / "ablation_margin_clip.md").read_text()
    assert page.startswith("# Ablations of margin_clip")
    assert "full margin_clip" in page
    assert "SeLIP" not in page.replace("SeLIP-bench", "")
