"""Each check of a page is shown something wrong, and finds it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from browser.checks import Watch, accessibility, figure_texts, sideways, weight
from browser.server import serve

Blank = Callable[..., Page]
PAGE = (
    '<!doctype html><html lang="en"><title>t</title><link rel="icon" href="data:,"><main>{}</main>'
)
GOOD = "<h1>Nothing is wrong here</h1>"


@pytest.fixture
def opened(blank: Blank, tmp_path: Path) -> Callable[[str], tuple[Page, Watch]]:
    """Serve a page made of this markup, and open it on a phone."""

    def planted(markup: str) -> tuple[Page, Watch]:
        (tmp_path / "index.html").write_text(PAGE.format(markup), encoding="utf-8")
        page = blank("light", 360)
        with serve(tmp_path) as home:
            watch = Watch(page, home)
            page.goto(home)
        return page, watch

    return planted


def test_a_good_page_is_found_good(opened: Callable[[str], tuple[Page, Watch]]) -> None:
    page, watch = opened(GOOD)
    faults = [*watch.faults, *sideways(page), *figure_texts(page), *accessibility(page)]
    assert faults == []


@pytest.mark.parametrize(
    ("markup", "found"),
    [
        ("<script>console.error('planted')</script>", "console: planted"),
        ("<script>console.warn('planted')</script>", "console: planted"),
        ("<script>throw new Error('planted')</script>", "error: planted"),
        ('<img src="missing.png" alt="">', "status 404: {home}missing.png"),
        ('<img src="http://elsewhere.invalid/" alt="">', "foreign: http://elsewhere.invalid/"),
        ('<img src="http://elsewhere.invalid/" alt="">', "failed: http://elsewhere.invalid/"),
    ],
)
def test_what_a_page_complains_of_and_asks_for_is_heard(
    opened: Callable[[str], tuple[Page, Watch]], markup: str, found: str
) -> None:
    _, watch = opened(GOOD + markup)
    assert found.format(home=watch.home) in watch.faults


def test_what_is_too_wide_is_named(opened: Callable[[str], tuple[Page, Watch]]) -> None:
    wide = '<div id="wide" style="width: 900px">wide</div>'
    boxed = f'<div style="overflow: auto">{wide}</div>'
    assert sideways(opened(GOOD + boxed)[0]) == []
    [fault] = sideways(opened(GOOD + wide)[0])
    assert 'id="wide"' in fault


def test_texts_that_touch_or_are_cut_off_are_named(
    opened: Callable[[str], tuple[Page, Watch]],
) -> None:
    texts = [(10, 30, "one"), (20, 33, "other"), (150, 80, "past the edge"), (10, 2, "above")]
    drawn = "".join(f'<text x="{x}" y="{y}">{words}</text>' for x, y, words in texts)
    svg = f'<svg viewBox="0 0 200 100" width="200" style="overflow: visible">{drawn}</svg>'
    assert figure_texts(opened(f"<figure>{svg}</figure>")[0]) == []  # no figure of ours
    assert figure_texts(opened(f'<figure class="gx-figure">{svg}</figure>')[0]) == [
        '"one" touches "other"',
        '"past the edge" leaves its figure',
        '"above" leaves its figure',
    ]
    far = svg.replace('width="200"', 'width="200" style="margin-left: 250px"')
    faults = figure_texts(opened(f'<figure class="gx-figure">{far}</figure>')[0])
    assert '"past the edge" leaves the window' in faults


@pytest.mark.parametrize(
    ("markup", "found"),
    [
        ('<img src="data:,">', "image-alt"),
        ("<button></button>", "button-name"),
        ('<p style="color: #bbb; background: #fff">pale</p>', "color-contrast"),
        ('<svg role="img" aria-label="a"><g tabindex="0" role="slider" /></svg>', "aria-input"),
    ],
)
def test_what_not_everybody_can_use_is_named(
    opened: Callable[[str], tuple[Page, Watch]], markup: str, found: str
) -> None:
    assert any(fault.startswith(found) for fault in accessibility(opened(GOOD + markup)[0]))


def test_weight_is_what_comes_over_the_wire(chromium: Browser, tmp_path: Path) -> None:
    (tmp_path / "noise.bin").write_bytes(np.random.default_rng(0).bytes(70_000))
    script = "<script>fetch('noise.bin')</script>"
    (tmp_path / "index.html").write_text(PAGE.format(script + "same " * 50_000), encoding="utf-8")
    with serve(tmp_path) as home, chromium.new_context() as fresh:
        assert 70_000 < weight(fresh.new_page(), home) < 75_000  # the page itself is compressed
