"""What a figure that moves hands to its page: data, buttons, and where its data stand."""

import html
import importlib
import json
import re
from itertools import accumulate, product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gradexplain.line import Line, least_squares
from gradexplain.plotting import number
from sitebuild import drawings, svg
from sitebuild.figures import chord, circle, clip, covariance, cut, ledger, two_descents
from sitebuild.figures.pairing import X, Y, pairing
from sitebuild.site import Site

if TYPE_CHECKING:
    from sitebuild.figures.moving import Moving

ROOT = Path(__file__).parents[1]
SCRIPTS = ROOT / "docs" / "assets" / "figures"
NAMES = [
    path.stem
    for path in sorted((ROOT / "sitebuild" / "figures").glob("*.py"))
    if hasattr(importlib.import_module(f"sitebuild.figures.{path.stem}"), "MOVING")
]
every_moving = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(drawings, "CACHE", tmp_path)


def test_each_figure_that_moves_has_its_script_and_no_other_is_there() -> None:
    assert NAMES
    assert sorted(script.stem for script in SCRIPTS.glob("*.js")) == sorted([*NAMES, "figure"])


@every_moving
def test_a_script_defines_the_element_that_the_page_holds(name: str) -> None:
    [tag] = re.findall(r"<gx-[a-z-]+", drawings.drawing(name, "alt"))
    assert tag == f"<gx-{name.replace('_', '-')}"
    script = (SCRIPTS / f"{name}.js").read_text("utf-8")
    assert f'customElements.define("{tag.removeprefix("<")}"' in script


@every_moving
def test_its_markup_holds_drawing_data_and_buttons(name: str) -> None:
    moving: Moving = importlib.import_module(f"sitebuild.figures.{name}").MOVING
    markup = drawings.drawing(name, "alt")
    [given] = re.findall(r'data-given="([^"]*)"', markup)
    assert json.loads(html.unescape(given)) == json.loads(json.dumps(dict(moving.given)))
    buttons = re.findall(r'<button type="button" value="([^"]*)">([^<]*)</button>', markup)
    rows = [moving.buttons, *moving.choices.values()]
    drawn = [(html.unescape(text), html.unescape(state)) for state, text in buttons]
    assert drawn == [button for row in rows for button in row.items()]
    assert all(f'aria-label="{html.escape(name)}"' in markup for name in moving.choices)
    assert buttons[0][1] == "Reset"
    sizes = {state.count(",") for state, _ in buttons}
    assert len(sizes) == 1
    assert markup.index("<svg") < markup.index(html.escape(moving.hint))


def test_the_circle_s_buttons_are_its_extremes() -> None:
    gradients = [circle.circle_data(angle).true for angle in np.radians(range(361))]
    assert circle.MOVING.buttons["Highest"] == str(np.argmax(gradients))
    assert circle.MOVING.buttons["Lowest"] == str(np.argmin(gradients))


def test_the_lucky_pair_agrees_and_no_pair_beside_it() -> None:
    left, right = map(float, chord.MOVING.buttons["A lucky pair"].split(",")[:2])
    assert abs(chord.chord_data(np.array([left, right])).gap) < 1e-6
    assert abs(chord.chord_data(np.array([left, right + 0.01])).gap) > 1e-5


def test_on_the_fit_s_rail_both_descents_end_alike() -> None:
    m, b = map(float, two_descents.MOVING.buttons["On the fit's rail"].split(","))
    paths = two_descents.two_descents_data(Line(m, b))
    assert paths.averaged[-1].m == pytest.approx(paths.true[-1].m, abs=1e-9)
    assert paths.averaged[-1].b == pytest.approx(paths.true[-1].b, abs=1e-9)


def test_the_cut_s_equal_counts_agree_and_none_beside_them() -> None:
    boundary = int(cut.MOVING.buttons["Equal counts"])
    found, beside = cut.cut_data(boundary), cut.cut_data(boundary + 1)
    assert found.mean_of_means == pytest.approx(found.right, rel=1e-14)
    assert abs(beside.mean_of_means - beside.right) > 1e-3


def test_balanced_points_lose_nothing_and_neither_do_the_fit_s_errors() -> None:
    for name in ["Balanced", "The fit's errors"]:
        points = np.array(covariance.MOVING.buttons[name].split(","), float).reshape(4, 2)
        found = covariance.covariance_data(points[:, 0], points[:, 1])
        assert found.gap == pytest.approx(0, abs=1e-15)
        assert np.abs(found.areas).max() > 0.1
    fit = least_squares(X, Y)
    assert points[:, 1] == pytest.approx(fit.residuals(X, Y), abs=1e-12)


def test_short_gradients_agree_and_alike_ones_point_the_same_way() -> None:
    states = {
        name: np.array(state.split(","), float).reshape(2, 2)
        for name, state in clip.MOVING.buttons.items()
    }
    gaps = {name: clip.clip_data(state).gap for name, state in states.items()}
    assert gaps["Both short"] < 1e-15
    assert gaps["Alike"] < 1e-15
    assert max(gaps, key=lambda name: gaps[name]) == "Opposed"


def test_wherever_the_inputs_are_spread_the_waterfall_is_within_its_axes() -> None:
    waterfall, closing = ledger.ledger().axes
    for spread in np.linspace(0, float(ledger.MOVING.buttons["Widest"]), 151):
        fall = ledger.ledger_data(float(spread))
        for level in accumulate(fall.terms.values(), initial=fall.averaged):
            assert waterfall.viewLim.contains(level, 0)
        assert closing.viewLim.contains(spread, fall.true)
        assert closing.viewLim.contains(spread, fall.averaged)


def test_the_states_that_a_script_is_given_read_as_python_s_own_numbers() -> None:
    exact: list[list[float]] = []
    for spread in range(151):
        fall = ledger.ledger_data(spread / 100)
        exact.append([fall.averaged, *fall.terms.values(), fall.true])
    assert said(ledger.MOVING.given["numbers"]) == said(exact)
    turns = [circle.circle_data(angle) for angle in np.radians(range(361))]
    averages = [[*turn.averages.values()] for turn in turns]
    assert said(circle.MOVING.given["averages"]) == said(averages) != said(averages[::2])
    for name in ("true", "averaged"):
        assert said([circle.MOVING.given[name]]) == said([[getattr(turn, name) for turn in turns]])


def said(rows: Any) -> list[list[str]]:
    return [[number(value, ".3f") for value in row] for row in rows]


def test_wherever_the_start_is_put_all_is_drawn() -> None:
    plane = two_descents.two_descents().axes[0]
    for m, b in product(*two_descents.STARTS):
        paths = two_descents.two_descents_data(Line(m, b))
        for line in [*paths.true, *paths.averaged]:
            assert plane.viewLim.contains(line.m, line.b)


def test_a_figure_that_stands_still_is_its_drawing_alone() -> None:
    assert drawings.drawing("grid", "alt").startswith("<svg")


def test_the_scale_of_axes_says_where_their_data_stand() -> None:
    drawn = svg.inline_svg(pairing(), "pairing", "alt")
    [scale] = re.findall(r'data-scale="([^"]*)" id="pairing-given-errors"', drawn)
    x0, dx, left, right, y0, dy, low, high = map(float, scale.split())
    assert (left, right, low, high) == (-0.45, 4.15, -2.9, 4.1)
    assert dx > 0 > dy
    for i, (x, y) in enumerate(zip(X, Y, strict=True)):
        dot = drawn.split(f'id="pairing-given-dot-{i}"')[1]
        [(across, down)] = re.findall(r'<use x="([\d.]+)" y="([\d.]+)"', dot)[:1]
        assert float(across) == pytest.approx(x0 + dx * x, abs=0.006)
        assert float(down) == pytest.approx(y0 + dy * y, abs=0.006)


@pytest.mark.parametrize(
    ("page", "scripts"),
    [
        ('<gx-math class="katex">', []),
        ('<gx-a class="gx-moving"><gx-b-c class="gx-moving">', ["figure", "a", "b_c"]),
        ('<gx-a class="gx-moving"><gx-a class="gx-moving">', ["figure", "a"]),
    ],
)
def test_a_page_loads_the_scripts_of_its_own_figures(page: str, scripts: list[str]) -> None:
    site = Site("a site", "/", "", ())
    loaded = drawings.with_scripts(f"<head></head>{page}", "learn/page/", site)
    sources = [f'"../../assets/figures/{name}.js"' for name in scripts]
    script = r'<script type="module" fetchpriority="low" src=("[^"]*")></script>'
    assert re.findall(script, loaded) == sources
