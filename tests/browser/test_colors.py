"""True, averaged and gap stay apart for readers who see fewer colors, in Chromium's simulation."""

import io
import math
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations

import numpy as np
import pytest
from matplotlib.image import imread
from playwright.sync_api import Page

Blank = Callable[..., Page]
DEFICIENCIES = ["none", "protanopia", "deuteranopia", "tritanopia"]
APART = 0.09  # in OKLab, where black and white are 1 apart and neighbors may differ by 0.02
SWATCHES = """colors => document.body.innerHTML = colors.map((color, i) =>
  `<div style="position: fixed; inset: 0 0 0 ${40 * i}px; background: ${color}"></div>`).join("")"""
OKLAB = """color => {
  document.body.style.color = `oklab(from rgb(${color}) l a b)`;
  return getComputedStyle(document.body).color.match(/-?[0-9.]+(e-?[0-9]+)?/g).map(Number);
}"""


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_three_colors_stay_apart(blank: Blank, home: str, scheme: str, deficiency: str) -> None:
    page = blank(scheme)
    page.goto(home)
    colors = [f"var(--gx-{name})" for name in ("true", "averaged", "gap")]
    assert min(apart(page, colors, deficiency)) > APART


def test_colors_that_a_deficiency_merges_are_seen_to(blank: Blank, home: str) -> None:
    page = blank()
    page.goto(home)
    red_and_green = ["#8c5a00", "#5a7300"]
    assert min(apart(page, red_and_green, "none")) > APART
    assert max(apart(page, red_and_green, "deuteranopia")) < APART


@pytest.mark.parametrize(("scheme", "other"), [("light", "dark"), ("dark", "light")])
def test_scroll_bars_follow_the_palette_that_was_picked(
    blank: Blank, home: str, scheme: str, other: str
) -> None:
    page = blank(scheme)
    page.goto(home)
    used = "() => getComputedStyle(document.documentElement).colorScheme"
    assert page.evaluate(used) == "light dark"  # as the system has it, without a second styling
    page.get_by_title(f"Use the {other} palette").click()
    page.wait_for_function(f"({used})() === {other!r}")
    page.reload()
    assert page.evaluate(used) == other
    page.get_by_title(f"Use the {scheme} palette").click()
    page.wait_for_function(f"({used})() === 'light dark'")


def apart(page: Page, colors: Sequence[str], deficiency: str) -> Iterator[float]:
    """Return how far the colors lie from each other as they are seen."""
    page.evaluate(SWATCHES, colors)
    session = page.context.new_cdp_session(page)
    session.send("Emulation.setEmulatedVisionDeficiency", {"type": deficiency})
    pixels = imread(io.BytesIO(page.screenshot()))[20, [40 * i + 20 for i in range(len(colors))]]
    seen = [page.evaluate(OKLAB, " ".join(map(str, np.round(255 * pixel[:3])))) for pixel in pixels]
    return (math.dist(one, other) for one, other in combinations(seen, 2))
