"""The figures: their numbers, and that every drawing can be read, in any palette, every time."""

import importlib
import io
import math
from collections.abc import Callable, Iterator
from itertools import combinations, pairwise, product
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import Collection
from matplotlib.colors import to_hex, to_rgba_array
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from support.pages import ROOT

from gradexplain import plotting
from gradexplain.activations import sigmoid
from gradexplain.audit import Report, Verdict, audit_accumulation
from gradexplain.audit.tell.words import TITLES
from gradexplain.gradients import batch_gradient
from gradexplain.line import Line, five_sums
from gradexplain.losses import squared_error
from gradexplain.network import MLP, backprop
from gradexplain.plotting import PAPER, TRUE, canvas, house, label, number, panel
from gradexplain.shortcut import averaged_backprop
from sitebuild.figures.audit_report import audit_report, audit_report_data
from sitebuild.figures.chord import chord, chord_data
from sitebuild.figures.circle import T, Turn, circle, circle_data, circle_trace
from sitebuild.figures.clip import GRADIENTS, LIMIT, clip, clip_data
from sitebuild.figures.covariance import ERRORS, MOST, covariance, covariance_data
from sitebuild.figures.cut import LOSSES, cut, cut_data
from sitebuild.figures.grid import grid, grid_data
from sitebuild.figures.ledger import Waterfall, ledger, ledger_data
from sitebuild.figures.loop import (
    EACH,
    FIXES,
    LIMITS,
    LOOP,
    PATTERNS,
    WORKERS,
    loop,
    loop_data,
    pattern,
    said,
    table,
)
from sitebuild.figures.operations import (
    SIZES,
    count,
    line_by_rows,
    line_by_sums,
    operations,
    operations_data,
    sigmoid_by_rows,
)
from sitebuild.figures.pairing import X, Y, pairing, pairing_data
from sitebuild.figures.training import N, rings, sine, training, training_data
from sitebuild.figures.two_descents import two_descents, two_descents_data
from sitebuild.figures.valley import valley, valley_data
from sitebuild.pictures import card
from sitebuild.svg import palette

NO_FIGURES = {"__init__", "moving"}
FILES = sorted((ROOT / "sitebuild" / "figures").glob("*.py"))
NAMES = [path.stem for path in FILES if path.stem not in NO_FIGURES]
DRAW: list[Callable[[], Figure]] = [
    getattr(importlib.import_module(f"sitebuild.figures.{name}"), name) for name in NAMES
]
SMALLEST = 10.5
every_figure = pytest.mark.parametrize("draw", DRAW, ids=lambda draw: draw.__name__)


# The numbers


def known_numbers() -> Iterator[tuple[str, float, str]]:
    """Yield what each figure is about: a name, the value found, and the digits it must round to."""
    for name, order, true in [("given", (0, 1, 2, 3), "-6.5"), ("traded", (3, 2, 1, 0), "0.5")]:
        pair = pairing_data(order)
        yield f"{name} true slope", pair.true, true
        yield f"{name} averaged slope", pair.averaged, "-3.0"
        yield f"{name} mean input", pair.mean_input, "1.5"
        yield f"{name} mean error", pair.mean_error, "1.0"
        yield f"{name} mean loss", pair.mean_loss, "3.5"
    found = chord_data()
    yield "slope at 0", found.slopes[0], "0.25000"
    yield "slope at 1", found.slopes[1], "0.19661"
    yield "mean of slopes", found.mean_of_slopes, "0.22331"
    yield "slope at mean", found.slope_at_mean, "0.23500"
    yield "gap", found.gap, "-0.01170"
    paths = two_descents_data()
    yield "fit m", paths.true[-1].m, "1.40000"
    yield "fit b", paths.true[-1].b, "-1.10000"
    yield "fit J", paths.true[-1].loss(X, Y), "0.050"
    yield "stopped m", paths.averaged[-1].m, f"{6 / 13:.9f}"
    yield "stopped b", paths.averaged[-1].b, f"{4 / 13:.9f}"
    yield "stopped J", paths.averaged[-1].loss(X, Y), "1.151"
    halves = cut_data()
    yield "right mean", halves.right, "1.20"
    yield "mean of means", halves.mean_of_means, "2.00"
    yield "weight of the ten", halves.right_weights[0], "0.10"
    gradients = [turn.true for turn in turns()]
    yield "lowest gradient", min(gradients), "-0.022"
    yield "highest gradient", max(gradients), "0.056"
    areas = covariance_data()
    for i, area in enumerate(["3.0", "0.5", "0.5", "3.0"]):
        yield f"area {i}", areas.areas[i], area
    for of, digits in [("true", "3.25"), ("averaged", "1.50"), ("gap", "1.75")]:
        yield f"{of} mean of products", getattr(areas, of), digits
    clipped = clip_data()
    orders = [*clipped.true, *clipped.averaged, clipped.gap]
    for value, digits in zip(orders, ["0.986", "0.164", "0.500", "0.250", "0.494"], strict=True):
        yield "clipped", float(value), digits
    left, bottom, right = valley_data()
    yield "left slope", left.slope, "-6.5"
    yield "right slope", right.slope, "6.5"
    yield "across", right.theta, "1.857142857"
    yield "left height", left.height, "3.5"
    yield "right height", right.height, "3.5"
    yield "bottom", bottom.height, f"{27 / 56:.9f}"
    fall = ledger_data()
    yield "averaged weight", fall.averaged, "-0.224"
    yield "true weight", fall.true, "0.070"
    for name, share in [
        ("covariance", "0.280"),
        ("gate 2", "-0.057"),
        ("curvature 2", "0.032"),
        ("gate 1", "-0.084"),
        ("curvature 1", "0.123"),
    ]:
        yield name, fall.terms[name], share
    for rule, data, batch, median in [
        (batch_gradient, sine, N, "0.034"),
        (averaged_backprop, sine, N, "0.996"),
        (batch_gradient, sine, 8, "0.040"),
        (averaged_backprop, sine, 8, "0.094"),
        (batch_gradient, rings, 8, "0.180"),
        (averaged_backprop, rings, 8, "0.906"),
    ]:
        ends = training_data(rule, data, batch)[:, -1]
        yield f"{rule.__name__} on {data.__name__}", float(np.median(ends)), median
    for part, ratio in enumerate(["0.625", "0.833", "1.250", "2.500"]):
        yield f"ratio of part {part}", audit_report_data().ratios[part] or 0, ratio


def agrees(value: float, digits: str) -> bool:
    """Tell whether the digits are the rounding of the value."""
    places = len(digits.partition(".")[2])
    return f"{value:.{places}f}" == digits


def turns(radius: float = 0.7) -> list[Turn]:
    return [circle_data(angle, R=radius) for angle in np.radians(range(0, 360, 5))]


def test_every_number_is_the_known_one() -> None:
    wrong = [(name, value) for name, value, digits in known_numbers() if not agrees(value, digits)]
    assert wrong == []


def test_any_other_digit_or_sign_is_noticed() -> None:
    for name, value, digits in known_numbers():
        for i, digit in enumerate(digits):
            if digit.isdigit():
                planted = digits[:i] + str((int(digit) + 1) % 10) + digits[i + 1 :]
                assert not agrees(value, planted), (name, planted)
        flipped = digits[1:] if digits.startswith("-") else f"-{digits}"
        assert not agrees(value, flipped), (name, flipped)


def test_no_pairing_of_the_errors_gives_what_the_averages_say() -> None:
    orders = {(a, b, c, 6 - a - b - c) for a in range(4) for b in range(4) for c in range(4)}
    pairs = [pairing_data(order) for order in orders if set(order) == {0, 1, 2, 3}]
    assert len(pairs) == math.factorial(4)
    assert {pair.averaged for pair in pairs} == {-3.0}
    assert (min(pair.true for pair in pairs), max(pair.true for pair in pairs)) == (-6.5, 0.5)
    assert all(pair.true != pair.averaged for pair in pairs)


def test_grid_s_last_row_is_the_mean_of_the_others() -> None:
    each, mean = grid_data()
    assert each.shape == (6, 9)
    np.testing.assert_allclose(each.mean(axis=0), mean, rtol=1e-12, atol=1e-15)
    with pytest.raises(AssertionError):  # a column in another's place
        np.testing.assert_allclose(each.mean(axis=0)[::-1], mean, rtol=1e-12, atol=1e-15)


def test_grid_draws_sign_as_filling_and_size_as_area() -> None:
    each, mean = grid_data()
    values = np.concatenate([each.ravel(), mean])
    squares = [line for line in grid().findobj(Line2D) if line.get_marker() == "s"]
    assert len(squares) == values.size
    for square, value in zip(squares, values, strict=True):
        side = square.get_markersize() + square.get_markeredgewidth()
        exact = 21 * math.sqrt(abs(value) / np.abs(each).max())
        assert side == pytest.approx(max(exact, 1.5), rel=1e-9)
        assert (to_hex(square.get_markerfacecolor()) == PAPER) == (value < 0)


def test_averaged_descent_keeps_to_its_rail_and_ends_where_the_mean_error_is_zero() -> None:
    paths = two_descents_data()
    rail = [line.m - X.mean() * line.b for line in paths.averaged]
    np.testing.assert_allclose(rail, 0, atol=1e-12)
    assert max(abs(line.m - X.mean() * line.b) for line in paths.true) > 1  # the true one does not
    for path in [paths.true, paths.averaged]:
        assert path[-1].residuals(X, Y).mean() == pytest.approx(0, abs=1e-12)


def test_two_descents_start_where_they_are_told() -> None:
    paths = two_descents_data(Line(2.0, 1.0))
    assert paths.true[0] == paths.averaged[0] == Line(2.0, 1.0)
    assert paths.averaged[-1].m - 1.5 * paths.averaged[-1].b == pytest.approx(0.5, rel=1e-12)


def test_a_mean_of_means_is_off_by_the_covariance_of_counts_and_means() -> None:
    for boundary in range(1, len(LOSSES)):
        found = cut_data(boundary)
        covariance = np.mean(found.counts * found.means) - found.counts.mean() * found.means.mean()
        off = found.mean_of_means - found.right
        assert off == pytest.approx(-covariance / found.counts.mean(), abs=1e-14)
        assert found.right_weights @ found.means == pytest.approx(found.right, rel=1e-14)
        assert (abs(off) < 1e-14) == (boundary == 50)


def moved(found: list[Turn]) -> set[str]:
    """Name the averages that differ by more than rounding from one angle to another."""
    names = found[0].averages
    return {name for name in names if np.ptp([turn.averages[name] for turn in found]) > 1e-15}


def test_on_the_circle_every_average_stands_still_and_the_gradient_changes_sign() -> None:
    found = turns()
    assert len(found[0].averages) == 7
    assert moved(found) == set()
    assert min(turn.true for turn in found) < 0 < max(turn.true for turn in found)
    assert max(abs(turn.averaged) for turn in found) < 1e-15


def test_an_average_that_moves_is_noticed() -> None:
    assert moved([*turns(), *turns(radius=0.71)]) == {"loss J"}
    assert moved([circle_data(0.0), circle_data(0.0, c=0.11)]) == {"loss J", "∂J/∂w²"}
    others = {"loss J", "mean output δ", "mean hidden δ", "∂J/∂w²"}
    assert moved([circle_data(0.0), circle_data(0.0, D=0.31)]) == others


def test_circle_s_gradient_is_the_one_written_out_by_hand() -> None:
    for angle in [0.0, 1.0, 4.0]:
        trace = circle_trace(angle, 0.3, 0.1, 0.7)
        u = trace.delta[1][3:, 0] - 0.3
        s = 1 / (1 + np.exp(-T))
        by_hand = np.mean(u * s * (1 - s) * T)  # the pairs' even part D cancels
        assert circle_data(angle).true == pytest.approx(by_hand, rel=1e-12)
        assert circle_data(angle).true != pytest.approx(-by_hand, rel=1e-3)
        assert np.linalg.norm(u - u @ (2 * s - 1) / np.sum((2 * s - 1) ** 2) * (2 * s - 1)) == (
            pytest.approx(0.7, rel=1e-12)
        )


def test_the_areas_mean_is_what_the_averages_lose() -> None:
    rng = np.random.default_rng(0)
    for _ in range(100):
        x, r = rng.uniform(0, 3, 4), rng.uniform(-1, 3, 4)
        found = covariance_data(x, r)
        assert found.areas.mean() == pytest.approx(found.gap, abs=1e-14)
        assert found.true == pytest.approx(found.averaged + found.gap, abs=1e-14)
        assert np.maximum(found.areas, 0).sum() <= MOST
        assert np.maximum(-found.areas, 0).sum() <= MOST
    ends = np.array([0.0, 0.0, 3.0, 3.0]), np.array([-1.0, -1.0, 3.0, 3.0])
    assert covariance_data(*ends).areas.sum() == MOST  # so the axis is no longer than it must be


def test_the_rectangles_are_those_of_the_gradient_that_the_page_shows() -> None:
    flat = Line(0.0, 0.0)
    found = covariance_data()
    assert np.array_equal(flat.residuals(X, Y), ERRORS)
    assert -2 * found.true == flat.gradient(X, Y)[0]
    assert -2 * found.averaged == flat.averaged_gradient(X, Y)[0]
    assert -2 * found.gap == flat.averaging_gap(X, Y)


def test_clipping_each_and_clipping_the_mean_agree_inside_the_circle_only() -> None:
    short = np.array([[0.7, -0.4], [0.1, 0.8]])
    assert clip_data(short).gap == pytest.approx(0, abs=1e-15)
    assert clip_data(2 * short).gap > 0.1
    for gradients in [GRADIENTS, short, 4 * short]:
        found = clip_data(gradients)
        lengths = np.linalg.norm(gradients, axis=1)
        kept = np.linalg.norm(found.clipped, axis=1)
        assert kept == pytest.approx(np.minimum(lengths, LIMIT), rel=1e-14)
        assert np.linalg.norm(found.true) <= LIMIT + 1e-15


def test_one_gradient_replaced_moves_a_mean_of_clipped_ones_by_its_share_only() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        gradients, replaced = np.repeat(3 * rng.standard_normal((1, 8, 2)), 2, axis=0)
        replaced[0] = 3 * rng.standard_normal(2)
        moved = [clip_data(one).averaged for one in (gradients, replaced)]
        assert np.linalg.norm(moved[0] - moved[1]) <= 2 * LIMIT / 8 + 1e-15
    far = np.zeros((8, 2))
    far[0, 0] = 80
    first, second = clip_data(far), clip_data(-far)
    assert np.linalg.norm(first.averaged - second.averaged) == 2 * LIMIT / 8
    assert np.linalg.norm(first.true - second.true) == 2 * LIMIT


def test_the_loop_s_table_says_what_the_judge_says_at_any_counts() -> None:
    rng = np.random.default_rng(0)
    everything, found = table()
    names = [*product(EACH, WORKERS, LOOP)]
    assert len(found) == len(names) == 60
    for choices in names:
        for kind in range(len(PATTERNS)):
            a, b, c, d = rng.integers(LIMITS[0], LIMITS[1] + 1, size=4).tolist()
            counts = [(a, b, c, d), (a, a, c, c), (a, b, b, a), (a, a, a, a)][kind]
            judged = loop_data(counts, *choices)
            says = everything[int(found[",".join(choices)][pattern(counts)])]
            assert says == said(judged.finding), (counts, choices)
            assert judged.finding.factor == pytest.approx(judged.factor, rel=1e-12)


def test_the_loop_s_fix_is_exact_at_any_counts() -> None:
    then = {"one": "nothing", "mean": "workers", "sum": "nothing"}
    for counts, workers in product([*PATTERNS, (60, 5, 7, 33)], WORKERS):
        fixed = loop_data(counts, "all", workers, then[workers])
        assert fixed.finding.verdict is Verdict.EXACT
        assert fixed.ratios == pytest.approx(np.ones(4), rel=1e-14)
        divided = "losses.sum() * workers" if then[workers] == "workers" else "losses.sum()"
        assert FIXES[workers] == f"({divided} / total).backward()"


def test_the_loop_that_is_drawn_weighs_targets_as_the_audit_s_page_says() -> None:
    found = loop_data()
    assert found.weights.tolist() == [0.25] * 4
    assert found.ratios == pytest.approx([0.625, 5 / 6, 1.25, 2.5], rel=1e-14)
    assert found.ratios.tolist() == pytest.approx(
        [ratio or 0 for ratio in audit_report_data().ratios]
    )
    assert said(found.finding)[0] == "mean of means"


def test_valley_has_its_bottom_in_the_middle_and_one_height_on_both_sides() -> None:
    for level in [0.5, 3.5, 7.5]:
        left, bottom, right = valley_data(level)
        assert left.height == pytest.approx(level, rel=1e-12)
        assert left.theta + right.theta == pytest.approx(2 * bottom.theta, rel=1e-12)
        assert left.height == pytest.approx(right.height, rel=1e-12)
        assert left.slope == pytest.approx(-right.slope, rel=1e-12)
        assert abs(bottom.slope) <= 1e-14 * abs(left.slope)


def test_operations_are_counted_and_grow_by_rows_only() -> None:
    found = operations_data()
    assert found.line_by_rows == [6 * N + 4 for N in SIZES]
    assert found.line_by_sums == [12] * len(SIZES)
    assert found.sigmoid_by_rows == [14 * N + 2 for N in SIZES]
    assert count(lambda m, b: (-m + 2 * m - b / 2, 1 - b)) == 6  # by hand
    assert count(lambda _m, _b: (1.0 + 2.0, 0.0)) == 0  # what the data alone decide is free


def test_what_is_counted_computes_the_gradient() -> None:
    x, y = np.random.default_rng(0).random((2, 20))
    exact = Line(0.3, -0.2).gradient(x, y)
    assert line_by_rows(0.3, -0.2, x, y) == pytest.approx(exact, rel=1e-12)
    assert line_by_sums(0.3, -0.2, five_sums(x, y)) == pytest.approx(exact, rel=1e-12)
    neuron = MLP([np.array([[0.3]])], [np.array([-0.2])], [sigmoid])
    gradient = batch_gradient(backprop(neuron, x[:, None], y[:, None], squared_error))
    exact = gradient.weights[0].item(), gradient.biases[0].item()
    assert sigmoid_by_rows(0.3, -0.2, x, y) == pytest.approx(exact, rel=1e-12)


def left_over(fall: Waterfall) -> float:
    """Return what the terms leave of the gap, as a part of all the bars."""
    bars = [fall.averaged, *fall.terms.values(), -fall.true]
    return abs(sum(bars)) / sum(map(abs, bars))


@pytest.mark.parametrize("spread", [0.0, 0.25, 1.0, 1.5, 10.0])
def test_the_waterfall_ends_where_it_should(spread: float) -> None:
    assert left_over(ledger_data(spread)) < 1e-14


def test_a_waterfall_that_ends_elsewhere_is_noticed() -> None:
    fall = ledger_data()
    for name in fall.terms:
        terms = {**fall.terms, name: -fall.terms[name]}
        assert left_over(Waterfall(fall.averaged, terms, fall.true)) > 0.01


def test_the_gap_closes_with_the_spread_though_the_targets_differ() -> None:
    gaps = [abs(fall.true - fall.averaged) for fall in map(ledger_data, [0, 0.25, 0.5, 1.0])]
    assert gaps[0] < 1e-15
    assert gaps == sorted(gaps)
    assert max(map(abs, ledger_data(0).terms.values())) < 1e-15


def test_the_bars_of_the_ledger_stand_where_the_last_one_ended() -> None:
    fall = ledger_data()
    bars = [bar for bar in ledger().findobj(Rectangle) if bar.get_gid()]
    assert [bar.get_gid() for bar in bars] == [
        "averaged",
        *(name.replace(" ", "-") for name in fall.terms),
        "true",
    ]
    ends = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in bars]
    for (_, before), (start, _) in pairwise(ends[:-1]):
        assert start == before
    assert ends[-1] == (0, fall.true)
    assert ends[-2][1] == pytest.approx(fall.true, rel=1e-12)
    hollow = [to_hex(bar.get_facecolor()) == PAPER for bar in bars]
    assert hollow == [end < start for start, end in ends]


@pytest.mark.parametrize(("data", "batch"), [(sine, N), (sine, 8), (rings, 8)])
def test_training_starts_alike_and_only_the_true_gradient_always_learns(
    data: Callable[[np.random.Generator], tuple[Any, Any]], batch: int
) -> None:
    true, averaged = (
        training_data(rule, data, batch) for rule in (batch_gradient, averaged_backprop)
    )
    assert true.shape == averaged.shape == (5, 51)
    assert np.array_equal(true[:, 0], averaged[:, 0])
    assert (true[:, -1] < true[:, 0] / 4).all()
    assert (true[:, -1] < averaged[:, -1]).all()
    assert not (averaged[:, -1] < averaged[:, 0] / 4).all() or (data, batch) == (sine, 8)


def test_training_is_the_same_each_time() -> None:
    kept = training_data(batch_gradient, rings, 8)
    assert np.array_equal(training_data.__wrapped__(batch_gradient, rings, 8), kept)
    with pytest.raises(ValueError, match="read-only"):
        kept[0, 0] = 0


@pytest.mark.parametrize(
    ("draw", "said"),
    [
        (pairing, ["true −6.5", "true 0.5", "averaged −3", "averaged −3"]),
        (chord, ["slope at the mean", "0.2350", "mean of the slopes", "0.2233", "gap −0.0117"]),
        (two_descents, ["true, J = 0.050", "averaged, J = 1.151", "rail: m − 1.5 b = 0"]),
        (cut, ["10 targets, mean loss 3", "right 0.1", "right 1.20", "mean of means 2.00"]),
        (valley, ["J = 3.5, twice", "slope −6.5", "slope 6.5", "θ = 1.857"]),
        (covariance, ["+7.00", "0.00", "3.25", "1.50", "1.75", "mean x 1.50", "mean r 1.00"]),
        (loop, ["40 targets", "0.625", "0.833", "1.25", "2.5", "Verdict: mean of means"]),
        (clip, ["(0.99, 0.16)", "(0.50, 0.25)", "length 0.56", "length 0.49"]),
        (operations, ["a line, by its five sums: 12", "10,000", "1,000", "1,000"]),
        (ledger, ["−0.224", "+0.280", "−0.057", "+0.032", "−0.084", "+0.123", "0.070"]),
        (training, ["averaged\n0.996", "true\n0.034", "averaged\n0.906", "true\n0.180"]),
        (circle, ["0.056", "−0.022", "0.037", "0.069", "0.134", "0.300", "0.040"]),
        (audit_report, ["Verdict: mean of means", "right: 1", "0.625", "0.833", "1.25", "2.5"]),
    ],
)
def test_a_figure_says_its_numbers(draw: Callable[[], Figure], said: list[str]) -> None:
    written = [text.get_text() for text in texts(draw())]
    for line in said:
        assert written.count(line) >= said.count(line), line


def audited(*weights: float, counts: list[float] | None = None) -> Report:
    """Audit a sum of random parts; a weight of infinity stands for a part that is zero."""
    parts = np.random.default_rng(0).standard_normal((len(weights), 100))
    parts[np.isinf(weights)] = 0
    w = np.where(np.isinf(weights), 0, weights)
    return audit_accumulation(w @ parts, list(parts), counts=counts or [1.0] * len(weights))


@pytest.mark.parametrize(
    ("report", "said"),
    [
        (audited(0.5, 0.5), ["Verdict: exact", "1", "1"]),
        (audited(-0.5, 0.5, 1), ["−1.5", "1.5", "3"]),
        (audited(65536 / 2, 65536 / 2), ["6.55e+04"]),
        (audited(0, 0, 0, 1), ["0", "4"]),
        (audited(0.3, 0.3, np.inf), ["unknown", "0.9"]),
        (audited(*[1 / 40] * 40, counts=[float(k + 1) for k in range(40)]), ["20.5", "part 0"]),
        (audited(0.999, 1.001), ["2", "2"]),
    ],
)
def test_any_report_can_be_drawn_and_read(report: Report, said: list[str]) -> None:
    figure = plotting.audit_report(report.ratios, TITLES[report.verdict])
    assert faults(figure) == []
    written = [text.get_text() for text in texts(figure)]
    for line in said:
        assert written.count(line) >= said.count(line), (line, written)


def test_of_many_parts_the_figure_shows_those_furthest_from_right() -> None:
    report = audited(*[1 / 40] * 40, counts=[float(k + 1) for k in range(40)])
    figure = plotting.audit_report(report.ratios, TITLES[report.verdict])
    written = [text.get_text() for text in texts(figure)]
    assert [text for text in written if text.startswith("part")] == [f"part {k}" for k in range(12)]
    assert "weight over the expected one, 12 of 40 parts" in written


def test_number_has_a_true_minus_and_no_minus_zero() -> None:
    assert [number(-6.5), number(-0.0117, ".4f")] == ["−6.5", "−0.0117"]
    assert [number(-0.0), number(-1e-18, ".3f"), number(0.5)] == ["0", "0.000", "0.5"]


# The drawings


def texts(figure: Figure) -> list[Text]:
    """Return what is written in the figure, tick labels too."""
    found = (text for text in figure.findobj(Text) if isinstance(text, Text))
    return [text for text in found if text.get_visible() and text.get_text().strip()]


def boxes(figure: Figure) -> list[tuple[str, Bbox]]:
    """Return each text's box, a little wider than here: the page's font may be wider."""
    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    figure.draw(renderer)
    found = [(text.get_text(), text.get_window_extent(renderer)) for text in texts(figure)]
    return [(text, box.expanded(1.05, 0.95)) for text, box in found]


def collisions(figure: Figure) -> list[tuple[str, str]]:
    return [
        (a, b) for (a, one), (b, other) in combinations(boxes(figure), 2) if one.overlaps(other)
    ]


def outside(figure: Figure) -> list[str]:
    width, height = figure.bbox.width, figure.bbox.height
    return [
        text
        for text, box in boxes(figure)
        if box.x0 < 0 or box.y0 < 0 or box.x1 > width or box.y1 > height
    ]


def too_small(figure: Figure) -> list[str]:
    return [text.get_text() for text in texts(figure) if float(text.get_fontsize()) < SMALLEST]


def svg(figure: Figure) -> str:
    buffer = io.BytesIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "test"}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return buffer.getvalue().decode()


def colors(artist: Artist) -> list[object]:
    """Return the colors that an artist draws with."""
    if isinstance(artist, Text):
        return [artist.get_color()] if artist.get_text().strip() else []
    if isinstance(artist, Line2D):
        marker = [artist.get_markerfacecolor(), artist.get_markeredgecolor()]
        marked = artist.get_marker() not in ("None", "none", None, "")
        return [artist.get_color(), *(marker if marked else [])]
    if isinstance(artist, Patch):
        return [artist.get_facecolor(), artist.get_edgecolor()]
    if isinstance(artist, Collection):
        return [*artist.get_facecolor(), *artist.get_edgecolor()]
    return []


def strange_colors(figure: Figure) -> set[str]:
    """Return colors outside the palette; SVG leaves black unsaid, so ask the artists."""
    figure.canvas.draw()
    rgba = [
        row
        for artist in figure.findobj(lambda artist: artist.get_visible())
        for color in colors(artist)
        if artist is not figure.patch
        for row in to_rgba_array(color)  # type: ignore[arg-type]
    ]
    return {to_hex(row) for row in rgba if row[3] > 0} - set(palette())


@house
def planted() -> Figure:
    """Draw all that a figure must not have."""
    figure = canvas(100)
    axes = panel(figure, 10, 60)
    axes.set(xlim=(0, 1), ylim=(0, 1), xticks=[], yticks=[])
    label(axes, 0.3, 0.5, "one label", TRUE)
    label(axes, 0.35, 0.5, "on another", TRUE, fontsize=8)
    label(axes, 0.9, 0.1, "past the edge", "black")
    axes.plot([0, 1], [0, 1], color="red")
    return figure


def faults(figure: Figure) -> list[object]:
    """Name what cannot be read on a phone, in any palette."""
    texts = [*collisions(figure), *outside(figure), *too_small(figure)]
    return [*texts, *sorted(strange_colors(figure))]


@every_figure
def test_a_figure_can_be_read_on_a_phone_in_any_palette(draw: Callable[[], Figure]) -> None:
    figure = draw()
    assert faults(figure) == []
    assert figure.get_figwidth() * 72 == 360
    given = [artist.get_gid() for artist in figure.findobj() if artist.get_gid()]
    assert len(given) == len(set(given))


def test_the_checks_of_a_drawing_notice_what_is_wrong() -> None:
    texts = [("one label", "on another"), "past the edge", "on another"]
    assert faults(planted()) == [*texts, "#000000", "#ff0000"]


@every_figure
def test_it_is_the_same_each_time_whatever_the_reader_s_own_matplotlibrc_says(
    draw: Callable[[], Figure],
) -> None:
    drawn = svg(draw())
    theirs: dict[Any, Any] = {"font.size": 30, "text.color": "red", "lines.linewidth": 9}
    with mpl.rc_context(theirs):
        figure = draw()
        assert mpl.rcParams["font.size"] == 30  # and it is left as it was
    assert svg(figure) == drawn != svg(planted())


def test_the_card_can_be_read() -> None:
    assert collisions(card()) + outside(card()) == []
    assert strange_colors(card()) == set()
