"""The page in a browser: what a reader can do with it by mouse, by keyboard and by ear, and that it asks for nothing.

That a page makes no request and writes nothing to the console is checked after every test, by the fixture `opened`.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

LIMIT_BYTES, LIMIT_MS = 3_000_000, 1_000
PHONE = 360
SLOW = pytest.mark.timeout(1800)
"""The statistics of 720 records come first."""
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
MAIN_TABLE, RETRIEVAL = "#retrieval table[data-filtered]", "#retrieval"
RANKING = "table.ranking"
SHOW_ALL = "() => document.querySelectorAll('main > section').forEach((one) => { one.hidden = false; })"
OPEN_ALL = "() => document.querySelectorAll('details').forEach((details) => { details.open = true; })"


def first_column(page, table=MAIN_TABLE):
    """Heads of the shown rows of the first such table."""
    rows = page.locator(table).first.locator("tbody.rows tr:visible")
    return [row.split("\n")[0].strip() for row in rows.locator("th").all_inner_texts()]


def numbers(page, column, table=MAIN_TABLE):
    """First number of each row's cell, None where there is none."""
    cells = page.locator(table).first.locator(f"tbody.rows tr > :nth-child({column})").all_inner_texts()
    found = [re.match(r"[+-]?\d+(\.\d+)?", cell.strip()) for cell in cells]
    return [float(one[0]) if one else None for one in found]


def violations(page):
    """What axe-core finds, in one line each."""
    axe = pytest.importorskip("axe_playwright_python.base", reason="no axe-core: install the extra 'dev'")
    page.evaluate(axe.AXE_SCRIPT)
    options = {"runOnly": RULES, "resultTypes": ["violations"]}
    found = page.evaluate(f"axe.run({json.dumps(options)})")["violations"]
    return [f"{one['id']}: {node['html'][:160]}" for one in found for node in one["nodes"][:3]]


def test_a_click_sorts_down_then_up_then_as_it_was(opened, small_page):
    page = opened(small_page, at=RETRIEVAL)
    head = page.locator(MAIN_TABLE).first.locator("thead th").nth(2)
    before = first_column(page)
    for direction in ("descending", "ascending"):
        head.locator("button").click()
        assert head.get_attribute("aria-sort") == direction
        values = [value for value in numbers(page, 3) if value is not None]
        assert len(values) >= 4
        assert values == sorted(values, reverse=direction == "descending")
        assert set(first_column(page)[len(values) :]) == {"mae", "unicl"}, "holes stay last"
    head.locator("button").click()
    assert head.get_attribute("aria-sort") is None
    assert first_column(page) == before


def test_the_keyboard_sorts_too_and_it_is_said(opened, small_page):
    page = opened(small_page, at=RETRIEVAL)
    page.locator(MAIN_TABLE).first.locator("thead th button").first.focus()
    page.keyboard.press("Enter")
    assert first_column(page) == sorted(first_column(page), key=str.lower)
    assert "ascending" in page.locator("#said").inner_text()
    page.keyboard.press("Space")
    assert "descending" in page.locator("#said").inner_text()


def test_numbers_are_sorted_as_numbers_with_their_sign(opened, small_page):
    page = opened(small_page, at=RETRIEVAL)
    table = "#retrieval table:has(caption:has-text('Declared contrasts'))"
    heads = page.locator(table).first.locator("thead th").all_inner_texts()
    column = next(place for place, head in enumerate(heads) if head.startswith("difference"))
    page.locator(table).first.locator("thead th").nth(column).locator("button").click()
    values = [value for value in numbers(page, column + 1, table) if value is not None]
    assert len(values) > 1
    assert values == sorted(values, reverse=True)


def test_a_name_filters_rows_and_cards(opened, small_page):
    page = opened(small_page, at=RETRIEVAL)
    page.get_by_label("Methods", exact=True).fill("SELIP, uni")
    assert first_column(page) == ["selip", "unicl"]
    page.get_by_role("link", name="Methods", exact=True).click()
    assert page.locator(".card.method:visible h3").all_inner_texts() == ["selip", "unicl"]
    assert page.locator("form output").inner_text().startswith("2 of ")
    page.get_by_role("button", name="Reset").click()
    page.get_by_role("link", name="Retrieval", exact=True).click()
    assert len(first_column(page)) == 6


def test_benchmark_pool_and_metric_filter_columns_and_tables(opened, small_page):
    page = opened(small_page, at=RETRIEVAL)
    page.evaluate(SHOW_ALL)
    page.get_by_role("combobox", name="Benchmark").select_option("segmentation")
    shown = page.locator("th[data-benchmark]:visible")
    assert {head.get_attribute("data-benchmark") for head in shown.all()} == {"segmentation"}
    assert not page.locator(MAIN_TABLE).first.is_visible()
    metrics = page.get_by_role("combobox", name="Metric")
    assert "Dice" in metrics.locator("option").all_inner_texts()
    metrics.select_option("Dice")
    assert {head.get_attribute("data-metric") for head in shown.all()} == {"Dice"}
    page.get_by_role("button", name="Reset").click()
    assert page.locator(MAIN_TABLE).first.is_visible()


def test_holes_say_why(opened, small_page):
    page = opened(small_page, at=RETRIEVAL)
    text = page.locator(MAIN_TABLE).first.inner_text()
    assert "loss is nan at step 12" in text
    assert "skipped" in text


@pytest.mark.parametrize(("scheme", "other"), [("light", "dark"), ("dark", "light")])
def test_colours_follow_the_reader_then_the_choice(scheme, other, opened, small_page):
    page = opened(small_page, scheme=scheme)

    def paper():
        return page.evaluate("getComputedStyle(document.body).backgroundColor")

    as_asked = paper()
    assert (sum(map(int, re.findall(r"\d+", as_asked))) > 382) == (scheme == "light")
    page.get_by_text(other, exact=True).click()
    assert paper() != as_asked
    page.reload()
    page.wait_for_selector("html[data-ready]")
    assert paper() != as_asked, "the choice is kept"
    page.get_by_text("auto", exact=True).click()
    assert paper() == as_asked


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (PHONE, "light"), (PHONE, "dark")])
def test_axe_finds_nothing(width, scheme, opened, small_page):
    page = opened(small_page, width, scheme=scheme)
    assert violations(page) == []
    page.evaluate(SHOW_ALL)
    page.evaluate(OPEN_ALL)
    assert violations(page) == []


def test_a_phone_scrolls_tables_and_not_the_page(opened, small_page):
    page = opened(small_page, PHONE, 740)
    page.evaluate(SHOW_ALL)
    page.evaluate(OPEN_ALL)
    page.wait_for_timeout(300)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE
    regions = page.evaluate(
        "[...document.querySelectorAll('.scroll')].filter((one) => one.scrollWidth > one.clientWidth)"
        ".map((one) => one.tabIndex === 0 && Boolean(one.getAttribute('aria-label')))"
    )
    assert len(regions) > 5
    assert all(regions), "what scrolls can be reached by keyboard and has a name"


def test_the_tab_key_reaches_everything_in_order_and_focus_is_seen(opened, small_page):
    page = opened(small_page)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#main"
    seen, outlines = [], set()
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement === document.body"):  # behind the last of them
            break
        found = page.evaluate(
            "(({ activeElement: one }) => [one.name || one.className || one.closest('[aria-sort], th')?.tagName"
            " || one.tagName, getComputedStyle(one).outlineStyle])(document)"
        )
        seen.append(found[0])
        outlines.add(found[1])
    assert {"compare", "BUTTON", "TH", "SUMMARY"} <= set(seen), "a link or a sort of a head is a TH"
    assert outlines == {"solid"}


def test_a_link_to_a_method_opens_its_card(opened, small_page):
    page = opened(small_page, at=RETRIEVAL)
    page.locator(MAIN_TABLE).first.get_by_role("link", name="selip", exact=True).click()
    card = page.locator(".card.method", has=page.get_by_role("heading", name="selip", exact=True))
    assert card.get_attribute("open") is not None
    text = card.inner_text()
    assert "0123456789abcdef" in text, "the commit"
    assert "selip run quick method=selip" in text, "the command"
    pictures = card.locator("img")
    assert pictures.count() == 2
    assert page.locator(".strip img").count() == 2, "the examples of the method of the study are on the first screen"
    for picture in pictures.all():
        picture.scroll_into_view_if_needed()
        assert picture.evaluate("(one) => one.decode().then(() => one.naturalWidth)") > 100
    assert card.locator("td svg path").count() > 0, "intervals are drawn when a card is opened"


def test_a_hostile_name_is_shown_as_it_is_and_does_nothing(opened, small_page):
    page = opened(small_page, at=RETRIEVAL)
    page.evaluate(OPEN_ALL)
    shown = page.locator(MAIN_TABLE).first.get_by_role("link", name="<script>alert(1)</script>")
    assert shown.inner_text() == '<script>alert(1)</script>" onmouseover="alert(2)'
    shown.hover()
    shown.click()
    page.wait_for_function("document.documentElement.dataset.tab === 'methods'")
    page.get_by_label("Methods", exact=True).fill("<script>")
    assert page.locator(".card.method:visible").count() == 1
    assert page.evaluate("document.scripts.length") == 1
    assert not page.evaluate("document.querySelectorAll('[onmouseover], [onfocus], [onclick]').length")


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (768, 1024), (390, 844)])
def test_the_first_screen_has_the_answer_and_nothing_overflows(width, height, opened, small_page):
    page = opened(small_page, width, height)
    assert page.locator(".badge").inner_text() == "SYNTHETIC"
    assert "nothing is ranked" in page.locator(".verdict").first.inner_text()
    assert "24 test patients" in page.locator(".size").inner_text()
    box = page.locator(f"{RANKING} tbody tr").nth(0 if width < 800 else 5).bounding_box()
    assert box["y"] + box["height"] <= height, "the ranking is on the first screen"
    for tab in page.locator("nav a").all():
        tab.click()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    region = page.locator(".ranked")
    assert region.evaluate("(one) => one.scrollWidth <= one.clientWidth")


def test_a_link_holds_filter_sort_tab_and_cell(opened, small_page):
    page = opened(small_page, at=RETRIEVAL)
    page.locator(MAIN_TABLE).first.locator("thead th").nth(2).locator("button").click()
    page.get_by_label("Methods", exact=True).fill("selip, clip")
    page.locator(MAIN_TABLE).first.locator("tbody.rows td:visible").nth(1).click()
    shown = first_column(page), page.locator("#behind h2").inner_text()
    again = opened(small_page, at=page.evaluate("location.hash"))
    assert (first_column(again), again.locator("#behind h2").inner_text()) == shown
    assert again.locator("#behind").is_visible()
    again.get_by_label("Close").click()
    assert "cell" not in again.evaluate("location.hash")


def test_a_cell_opens_what_is_behind_it_and_its_row_is_copied(opened, small_page):
    page = opened(small_page)
    page.locator(f"{RANKING} tr", has_text="selip").locator("td button").first.press("Enter")
    dialog = page.locator("#behind")
    text = dialog.inner_text()
    assert "0: 0." in text
    assert "1: 0." in text
    assert "selip run quick method=selip" in text
    assert dialog.locator("circle").count() == 2
    bars = dialog.locator("svg").last.get_attribute("aria-label")
    assert sum(map(int, re.findall(r"\d+", bars))) > 0
    value = page.locator(f"{RANKING} tr", has_text="selip").locator("td").first.get_attribute("data-interval")
    for form, mark in {"Markdown": "| selip |", "CSV": '"selip",', "LaTeX": "selip & "}.items():
        dialog.get_by_role("button", name=form).click()
        copied = dialog.locator("textarea").input_value()
        assert mark in copied
        assert value in copied


def test_two_ticked_methods_are_compared(opened, small_page):
    page = opened(small_page)
    for name in ("selip", "clip"):
        page.get_by_label(f"Compare {name}", exact=True).check()
    text = page.locator("#compared").inner_text()
    assert "selip beside clip" in text or "clip beside selip" in text
    assert re.search(r"[+−]0\.\d{3} \[", text)
    again = opened(small_page, at=page.evaluate("location.hash"))
    assert again.locator("#compared").inner_text() == text


def test_without_the_script_every_number_is_there(chromium, small_page):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(small_page.as_uri())
    assert len(first_column(page)) == 6
    assert page.locator(".filters").is_hidden()
    context.close()


@SLOW
def test_the_page_of_a_large_run_is_light_and_soon_ready(opened, large_page):
    assert large_page.n_methods == 20
    assert large_page.path.stat().st_size < LIMIT_BYTES
    page = opened(large_page.path)
    assert page.locator(".card.method").count() == 20
    assert page.locator("img[src^='data:image/webp']").count() == 80
    took = min(ready_ms(opened, large_page.path) for _ in range(3))
    assert took < LIMIT_MS


def ready_ms(opened, path):
    """From the start of loading until the script is done and the first sort has been drawn, in ms."""
    page = opened(path, whole=False)
    ready = page.evaluate("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd")
    clicking = page.evaluate(
        "async () => { const start = performance.now(); document.querySelector('thead button').click();"
        " await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));"
        " return performance.now() - start; }"
    )
    return ready + clicking


@SLOW
def test_axe_finds_nothing_on_the_page_of_a_large_run(opened, large_page):
    assert violations(opened(large_page.path)) == []


def test_chromium_is_named_or_what_to_install(monkeypatch, capsys, tmp_path):
    script = Path(__file__).with_name("chromium.py")
    found = {"__name__": "chromium"}
    exec(compile(script.read_text(), script, "exec"), found)
    monkeypatch.setenv("SELIP_CHROMIUM", "/opt/chrome")
    assert found["main"]() == 0
    assert capsys.readouterr().out == "/opt/chrome\n"
    monkeypatch.delenv("SELIP_CHROMIUM")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert found["main"]() == 2
    assert "apt-get install chromium" in capsys.readouterr().err
