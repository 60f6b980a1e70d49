"""Pages as a reader opens them: from a file, in headless Chromium, with every request and every message kept."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from leaderboards.figures.example_pictures import Candidate, Example, draw_cases, draw_examples
from leaderboards.site.build import build_leaderboard
from selip.records.record_files import read_per_item, read_record, write_record

HERE = Path(__file__).parent
STUDY = HERE.parents[1] / "leaderboards" / "records" / "study" / "records"
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
LAY_OUT = "() => document.querySelectorAll('section').forEach((one) => { one.style.contentVisibility = 'visible'; })"
HOSTILE = '<script>alert(1)</script>" onmouseover="alert(2)'
SEEDS = 6
TWICE = ("selip", "clip", "clip_x2", "cwcl", "unicl", "siglip", "tfidf_targets")
"""Methods of the study that stand on the large page under a second name too."""


def loaded(path):
    """A module by its file; tests are no package."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pytest_collection_modifyitems(items):
    """Marks every test of this folder."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def chromium():
    """Headless Chromium."""
    playwright = pytest.importorskip("playwright.sync_api", reason="no playwright: install the extra 'dev'")
    chromium = loaded(HERE / "chromium.py")
    path = chromium.find_chromium()
    if not path:
        pytest.skip(chromium.ADVICE)
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=path, headless=True, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium):
    """Opens a page; when the test ends, it must have asked for nothing and said nothing in the console."""
    contexts, paths, asked, said = [], set(), [], []

    def open_page(path, width=1280, height=900, scheme="light", whole=True, at=""):
        """Opens it at an anchor; `whole`: what is off the screen is laid out too."""
        context = chromium.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
        paths.add(path.as_uri())
        page.goto(path.as_uri() + at)
        page.wait_for_selector("html[data-ready]")
        if whole:
            page.evaluate(LAY_OUT)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert {url.split("#")[0] for url in asked if not url.startswith("data:")} <= paths
    assert not said


@pytest.fixture(scope="session")
def small_page(tmp_path_factory):
    """A page of every kind of benchmark, of a failed, a skipped and a hostile method, with pictures."""
    factory = loaded(HERE.parent / "leaderboards" / "conftest.py")
    folder = tmp_path_factory.mktemp("small")
    for seed in (0, 1):
        for method, skill in {"selip": 1.6, "clip": 1.5, "random_init": 0.0, HOSTILE: 0.7}.items():
            factory.add_run(folder, method, seed, skill=skill, run_id=f"r{skill}-{seed}")
            for name in ("linear_probe", "segmentation"):
                run_id = f"{name}{skill}-{seed}"
                factory.add_family_run(folder, name, method, seed, 24, skill, run_id=run_id)
        factory.add_hole(folder, "mae", seed, "skipped", f"no text {HOSTILE}", run_id=f"mae-{seed}")
    factory.add_hole(folder, "unicl", reason="loss is nan at step 12")
    draw_pictures(folder / "leaderboard" / "examples", ["selip", "clip"])
    return written(folder)


@pytest.fixture(scope="session")
def large_page(tmp_path_factory):
    """The page of 20 methods, 6 seeds and all benchmarks, with the pictures that such a run leaves."""
    folder = tmp_path_factory.mktemp("large")
    (folder / "records").mkdir()
    methods = set()
    for record in (read_record(path) for path in STUDY.glob("*.json")):
        if record.seed >= SEEDS:
            continue
        table = read_per_item(STUDY, record) if record.per_item else None
        for name in [record.method, *([f"{record.method}_again"] if record.method in TWICE else [])]:
            more = {"method": name, "run_id": record.run_id.replace(record.method, name)}
            write_record(folder / "records", record.model_copy(update=more), table)
            methods.add(name)
    draw_pictures(folder / "leaderboard" / "examples", sorted(methods))
    page = written(folder)
    return SimpleNamespace(path=page, n_methods=len(methods))


def written(folder):
    """The page of a run directory."""
    build_leaderboard(folder, folder / "out", n_resamples=40)
    return folder / "out" / "index.html"


def draw_pictures(folder, methods):
    """Worked examples of both directions and three cases of two arms, the same for every method."""
    pictures = {f"{method}-{direction}": None for method in methods for direction in ("image_to_text", "text_to_image")}
    heads = [head(seed) for seed in range(6)]
    text = "Acute infarct in the left thalamus, high signal on DWI and FLAIR, low on ADC. No midline shift."
    disc = np.hypot(*(np.indices((48, 56)) - 25)) < 6
    answers = [Candidate(f"{text} {place}", 0.9 - place / 10, place == 1, heads[place], disc) for place in range(5)]
    drawn = {}
    for name, picture in (("image_to_text", heads[5]), ("text_to_image", None)):
        file = draw_examples(folder / f"{name}.png", [Example("volume 1", text, answers, True, picture)] * 3)
        drawn[name] = file.read_bytes()
        file.unlink()
    facts = {"caption": "Dice 0.81", "truth": disc, "predicted": disc, "spacing_mm": (4.0, 4.0)}
    cases = [SimpleNamespace(voxels=one, **facts) for one in heads[:3]]
    file = draw_cases(folder / "cases.png", "segmentation", cases, synthetic=True)
    drawn["cases"] = file.read_bytes()
    file.unlink()
    for name in pictures:
        (folder / f"{name}.png").write_bytes(drawn[name.rsplit("-", 1)[1]])
    for method in methods:
        for arm in ("frozen", "fine_tuned"):
            (folder / f"segmentation-{method}-{arm}.png").write_bytes(drawn["cases"])


def head(seed):
    """(48, 56) uint8: a bright ellipse of rough tissue in the dark, as heavy to compress as a slice of a head."""
    rng = np.random.default_rng(seed)
    x, y = np.meshgrid(np.linspace(-1, 1, 56), np.linspace(-1, 1, 48))
    inside = x**2 + y**2 < 0.8
    return (np.clip(110 * inside + 25 * rng.standard_normal(inside.shape), 0, 255)).astype(np.uint8)
