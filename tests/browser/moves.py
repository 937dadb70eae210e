"""How each moving figure is moved, and what Python says it must then show."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import permutations, product

import numpy as np
from numpy.random import Generator
from playwright.sync_api import Page

import gradexplain
from browser.checks import still
from gradexplain.line import Line
from gradexplain.plotting import number
from sitebuild.figures import (
    chord,
    circle,
    clip,
    covariance,
    cut,
    ledger,
    loop,
    pairing,
    two_descents,
    valley,
)
from sitebuild.figures.moving import two

State = list[float | str]
_SHOW = """tag => document.querySelector(tag).svg.scrollIntoView(
  { block: "center", behavior: "instant" })"""
_PLACE = """([tag, axes, x, y]) => {
  const figure = document.querySelector(tag), scale = figure.scale(axes);
  const point = new DOMPoint(scale.x(x), scale.y(y)).matrixTransform(figure.svg.getScreenCTM());
  return [point.x, point.y];
}"""


@dataclass(frozen=True)
class Moved:
    """A figure on an open page, with hands."""

    page: Page
    name: str

    @property
    def tag(self) -> str:
        """Return its custom element's name."""
        return f"gx-{self.name}"

    @property
    def words(self) -> list[str]:
        """Return its state as the address writes it."""
        words: list[str] = self.page.evaluate(
            "tag => document.querySelector(tag).state.map(String)", self.tag
        )
        return words

    @property
    def state(self) -> State:
        """Return its state: numbers, and names as they are."""
        return read(self.words)

    @property
    def start(self) -> list[str]:
        """Return the state in which Python drew it."""
        button = self.page.locator(f"{self.tag} button").first
        return (button.get_attribute("value") or "").split(",")

    @property
    def texts(self) -> list[str]:
        """Return all that stands in it."""
        return self.page.locator(f"{self.tag} svg text").all_text_contents()

    def says(self, part: str) -> str:
        """Return what stands in one of its texts."""
        text = self.page.locator(f"#{self.name.replace('-', '_')}-{part} text")
        return text.text_content() or ""

    def grip(self, handle: int) -> tuple[float, float]:
        """Return the middle of a handle, in the window, where it has come to rest."""
        still(self.page)
        self.show()
        box = self.page.locator(f"{self.tag} .gx-handle .gx-ring").nth(handle).bounding_box()
        if box is None:
            raise AssertionError(handle)
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def show(self) -> None:
        """Bring it into the middle of the window, where no header covers it."""
        self.page.evaluate(_SHOW, self.tag)

    def place(self, axes: str, x: float, y: float) -> tuple[float, float]:
        """Return where a point of some axes' data stands in the window."""
        self.show()
        across, down = self.page.evaluate(_PLACE, [self.tag, axes, x, y])
        return across, down

    def drag(self, handle: int, to: tuple[float, float]) -> None:
        """Move a handle with the mouse, by way of somewhere else."""
        mouse = self.page.mouse
        mouse.move(*self.grip(handle))
        mouse.down()
        mouse.move(to[0] + 30, to[1] - 20)
        mouse.move(*to)
        mouse.up()

    def swipe(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Move a finger over the glass."""
        send = self.page.context.new_cdp_session(self.page).send
        points = [
            [start[0] + (end[0] - start[0]) * part / 10, start[1] + (end[1] - start[1]) * part / 10]
            for part in range(11)
        ]
        for kind, (x, y) in zip(["touchStart", *["touchMove"] * 10], points, strict=True):
            send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
        send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        self.page.wait_for_timeout(100)

    def go_to(self, query: str) -> None:
        """Have the address changed under the open page."""
        self.page.evaluate(
            "query => (history.pushState(null, '', query), dispatchEvent(new Event('popstate')))",
            query,
        )

    def press(self, handle: int, key: str) -> None:
        """Press a key on a handle."""
        self.page.locator(f"{self.tag} .gx-handle").nth(handle).press(key)


@dataclass(frozen=True)
class Case:
    """One figure: its page, its moves, and what it must say in a state."""

    name: str
    address: str
    by_pointer: Callable[[Moved, Generator], State]
    by_keys: Callable[[Moved, Generator], State]
    says: Callable[[State], dict[str, str]]
    corners: tuple[str, ...]  # states where something could go wrong
    other: str  # a state in the address, that is not the drawing's own
    wrong: tuple[str, ...]  # states that an address may hold by mistake
    room: int = 1  # whether the first handle has its room to the right, or −1 to the left
    tremble: float = 0.0  # how far from its aim a pointer may end
    scrolls: bool = True  # whether a finger on a handle may scroll the page


def read(parts: list[str]) -> State:
    """Turn a state's words into numbers where they are numbers."""
    return [part if part.isalpha() else float(part) for part in parts]


def pick(rng: Generator, names: list[str]) -> str:
    """Return one of the names."""
    return names[rng.integers(len(names))]


def same(found: State, expected: State, tremble: float) -> bool:
    """Tell whether two states are the same, but for what a hand's tremble does."""
    return len(found) == len(expected) and all(
        a == b or (isinstance(a, float) and isinstance(b, float) and abs(a - b) < tremble)
        for a, b in zip(found, expected, strict=True)
    )


# Pairing


def _trade_by_pointer(figure: Moved, rng: Generator) -> State:
    order = figure.state
    handle, place = int(rng.integers(4)), int(rng.integers(4))
    error = [3, 2, 1, 0][handle]
    figure.drag(handle, figure.place("traded-errors", place + rng.uniform(-0.3, 0.3), 1))
    return _traded(order, error, place)


def _trade_by_keys(figure: Moved, rng: Generator) -> State:
    order = figure.state
    handle, key = int(rng.integers(4)), pick(rng, ["ArrowLeft", "ArrowRight", "Home", "End"])
    error = [3, 2, 1, 0][handle]
    step = {"ArrowLeft": -1, "ArrowRight": 1, "Home": -9, "End": 9}[key]
    figure.press(handle, key)
    return _traded(order, error, min(max(order.index(error) + step, 0), 3))


def _traded(order: State, error: int, place: int) -> State:
    traded, before = list(order), order.index(error)
    traded[before], traded[place] = traded[place], traded[before]
    return traded


def _pairing_says(state: State) -> dict[str, str]:
    found = pairing.pairing_data(tuple(int(error) for error in state))
    averages = {"input": found.mean_input, "error": found.mean_error, "loss": found.mean_loss}
    given = "as given" if state == [0, 1, 2, 3] else "traded"
    return {
        "traded-averages": " · ".join(f"mean {of} {number(v)}" for of, v in averages.items()),
        "traded-true-text": f"true {number(found.true)}",
        "traded-heading": f"The same four errors, {given}",
    }


# Chord


def _input_by_pointer(figure: Moved, rng: Generator) -> State:
    left, right, name = figure.state
    if rng.random() < 0.3:
        name = pick(rng, [*chord.NAMES])
        figure.page.locator(f"gx-chord button[value=',,{name}']").click()
    handle, x = int(rng.integers(2)), float(rng.uniform(-4.2, 4.2))
    figure.drag(handle, figure.place("whole", x, 0.1))
    return _within(float(left), float(right), handle, x, name)


def _input_by_keys(figure: Moved, rng: Generator) -> State:
    left, right, name = figure.state
    steps = {
        "ArrowLeft": -0.1,
        "ArrowRight": 0.1,
        "PageDown": -1,
        "PageUp": 1,
        "Home": -9,
        "End": 9,
    }
    handle, key = int(rng.integers(2)), pick(rng, [*steps])
    figure.press(handle, key)
    return _within(
        float(left), float(right), handle, float([left, right][handle]) + steps[key], name
    )


def _within(left: float, right: float, handle: int, x: float, name: float | str) -> State:
    if handle:
        return [left, min(max(x, left + 0.1), 4), name]
    return [min(max(x, -4), right - 0.1), right, name]


def _chord_says(state: State) -> dict[str, str]:
    x, name = np.array([float(state[0]), float(state[1])]), str(state[2])
    found = chord.chord_data(x, getattr(gradexplain, name))
    return {
        "heading": chord.NAMES[name],
        "x-0": f"x = {number(x[0])}",
        "x-1": f"x = {number(x[1])}",
        "slope-0": f"slope {number(found.slopes[0], '.4f')}",
        "slope-1": f"slope {number(found.slopes[1], '.4f')}",
        "mean-input": f"mean {number(found.mean_input)}",
        "mean-value": number(found.mean_of_slopes, ".4f"),
        "at-mean-value": number(found.slope_at_mean, ".4f"),
        "gap-text": f"gap {number(found.gap, '.4f')}",
        "tick-2": number(0.2 if name == "sigmoid" else 0.8),
    }


# Two descents


def _start_by_pointer(figure: Moved, rng: Generator) -> State:
    m, b = rng.uniform(-0.5, 2.3), rng.uniform(-1.6, 0.7)
    figure.drag(0, figure.place("plane", m, b))
    return [min(max(m, -0.3), 2.1), min(max(b, -1.4), 0.5)]


def _start_by_keys(figure: Moved, rng: Generator) -> State:
    m, b = figure.state
    across = {"ArrowLeft": -0.05, "ArrowRight": 0.05, "Home": -9, "End": 9}
    up = {"ArrowDown": -0.05, "ArrowUp": 0.05, "PageDown": -0.5, "PageUp": 0.5}
    key = pick(rng, [*across, *up])
    figure.press(0, key)
    m, b = float(m) + across.get(key, 0), float(b) + up.get(key, 0)
    return [min(max(m, -0.3), 2.1), min(max(b, -1.4), 0.5)]


def _two_descents_says(state: State) -> dict[str, str]:
    m, b = map(float, state)
    paths = two_descents.two_descents_data(Line(m, b))
    losses = [path[-1].loss(pairing.X, pairing.Y) for path in (paths.true, paths.averaged)]
    return {
        "start-text": f"start: m = {number(m)}, b = {number(b)}",
        "rail-text": f"rail: m − 1.5 b = {number(m - 1.5 * b)}",
        "true-loss": f"true, J = {losses[0]:.3f}",
        "averaged-loss": f"averaged, J = {losses[1]:.3f}",
    }


# Circle


def _turn_by_pointer(figure: Moved, rng: Generator) -> State:
    degrees = int(rng.integers(0, 361))
    figure.drag(0, figure.place("moving", degrees, 0))
    return [degrees]


def _turn_by_keys(figure: Moved, rng: Generator) -> State:
    [degrees] = figure.state
    steps = {"ArrowLeft": -5, "ArrowDown": -5, "ArrowRight": 5, "ArrowUp": 5}
    steps |= {"PageUp": 50, "PageDown": -50, "Home": -360, "End": 360}
    key = pick(rng, [*steps])
    figure.press(0, key)
    return [min(max(float(degrees) + steps[key], 0), 360)]


def _circle_says(state: State) -> dict[str, str]:
    found = circle.circle_data(math.radians(float(state[0])))
    rows = {f"still-{row}-text": value for row, value in enumerate(found.averages.values())}
    values = {**rows, "true-text": found.true, "averaged-text": found.averaged}
    return {part: number(value, ".3f") for part, value in values.items()}


# Cut


def _cut_by_pointer(figure: Moved, rng: Generator) -> State:
    boundary = int(rng.integers(-3, 104))
    figure.drag(0, figure.place("losses", boundary, 0))
    return [min(max(boundary, 1), 99)]


def _cut_by_keys(figure: Moved, rng: Generator) -> State:
    [boundary] = figure.state
    steps = {"ArrowLeft": -1, "ArrowDown": -1, "ArrowRight": 1, "ArrowUp": 1}
    steps |= {"PageUp": 10, "PageDown": -10, "Home": -100, "End": 100}
    key = pick(rng, [*steps])
    figure.press(0, key)
    return [min(max(float(boundary) + steps[key], 1), 99)]


def _cut_says(state: State) -> dict[str, str]:
    """Halves go up: none lies so near to another rounding that 1e-9 would move it."""
    found = cut.cut_data(int(state[0]))
    parts = {}
    for i, (count, mean) in enumerate(zip(found.counts, found.means, strict=True)):
        targets = "1 target" if count == 1 else f"{count:.0f} targets"
        parts[f"part-{i}"] = f"{targets}, mean loss {number(round(mean + 1e-9, 2))}"
    implied = number(found.mean_of_means + 1e-9, ".2f")
    rights = {f"right-{i}-text": f"right {number(w)}" for i, w in enumerate(found.right_weights)}
    return {**parts, **rights, "mean-of-means-text": f"mean of means {implied}"}


# Ledger


def _spread_by_pointer(figure: Moved, rng: Generator) -> State:
    spread = float(rng.uniform(-0.1, 1.6))
    figure.drag(0, figure.place("closing", spread, 0))
    return [min(max(spread, 0), 1.5)]


def _spread_by_keys(figure: Moved, rng: Generator) -> State:
    [spread] = figure.state
    steps = {"ArrowLeft": -0.05, "ArrowDown": -0.05, "ArrowRight": 0.05, "ArrowUp": 0.05}
    steps |= {"PageUp": 0.5, "PageDown": -0.5, "Home": -9, "End": 9}
    key = pick(rng, [*steps])
    figure.press(0, key)
    return [round(min(max(float(spread) + steps[key], 0), 1.5), 2)]


def _ledger_says(state: State) -> dict[str, str]:
    found = ledger.ledger_data(float(state[0]))
    values = [number(found.averaged, ".3f"), *map(_with_sign, found.terms.values())]
    rows = {f"value-{row}": text for row, text in enumerate([*values, number(found.true, ".3f")])}
    total, gap = sum(found.terms.values()), found.true - found.averaged
    return {
        **rows,
        "sum": f"terms together {_with_sign(total)} · gap {_with_sign(gap)}",
        "spread-text": f"spread of the inputs; above, it is {number(float(state[0]))}",
    }


def _with_sign(value: float) -> str:
    return number(value, "+.3f") if abs(value) >= 0.0005 else "0.000"


# Covariance, Clip: points that go where they are put

Ranges = tuple[tuple[float, float], tuple[float, float]]


def _point_by_pointer(figure: Moved, rng: Generator, ranges: Ranges) -> State:
    point = int(rng.integers(len(figure.state) // 2))
    x, y = (float(rng.uniform(low - 0.1, high + 0.1)) for low, high in ranges)
    before = figure.state
    figure.drag(point, figure.place("plane", x, y))
    return _put(before, point, (x, y), ranges)


def _point_by_keys(figure: Moved, rng: Generator, ranges: Ranges) -> State:
    across = {"ArrowLeft": -0.1, "ArrowRight": 0.1, "Home": -9, "End": 9}
    up = {"ArrowDown": -0.1, "ArrowUp": 0.1, "PageDown": -1, "PageUp": 1}
    point, key = int(rng.integers(len(figure.state) // 2)), pick(rng, [*across, *up])
    x, y = map(float, figure.state[2 * point : 2 * point + 2])
    before = figure.state
    figure.press(point, key)
    return _put(before, point, (x + across.get(key, 0), y + up.get(key, 0)), ranges)


def _put(state: State, point: int, to: tuple[float, float], ranges: Ranges) -> State:
    limited = [min(max(to[i], ranges[i][0]), ranges[i][1]) for i in range(2)]
    return [*state[: 2 * point], *limited, *state[2 * point + 2 :]]


_COVARIANCE = covariance.INPUT_RANGE, covariance.ERROR_RANGE
_CLIP = clip.ACROSS, clip.UP


def _covariance_says(state: State) -> dict[str, str]:
    points = np.array(state, float).reshape(4, 2)
    found = covariance.covariance_data(points[:, 0], points[:, 1])
    sums = {"positive": np.maximum(found.areas, 0), "negative": np.minimum(found.areas, 0)}
    return {
        "mean-x-text": f"mean x {two(found.mean_x)}",
        "mean-r-text": f"mean r {two(found.mean_r)}",
        **{f"{name}-sum": covariance.signed(part.sum()) for name, part in sums.items()},
        "true": two(found.true),
        "averaged": two(found.averaged),
        "gap": two(found.gap),
    }


def _clip_says(state: State) -> dict[str, str]:
    found = clip.clip_data(np.array(state, float).reshape(2, 2))
    lengths = {"true": found.true, "averaged": found.averaged}
    return {
        "true": clip.vector(found.true),
        "averaged": clip.vector(found.averaged),
        **{f"{name}-length": f"length {two(math.hypot(*v))}" for name, v in lengths.items()},
        "gap": f"length {two(found.gap)}",
    }


# Loop


def _count_by_pointer(figure: Moved, rng: Generator) -> State:
    state = _chosen(figure, rng)
    row, count = int(rng.integers(4)), int(rng.integers(3, 63))
    figure.drag(row, figure.place("counts", count, row + 0.7))
    return [*state[:row], min(max(count, 5), 60), *state[row + 1 :]]


def _count_by_keys(figure: Moved, rng: Generator) -> State:
    state = _chosen(figure, rng)
    steps = {"ArrowLeft": -1, "ArrowDown": -1, "ArrowRight": 1, "ArrowUp": 1}
    steps |= {"PageUp": 10, "PageDown": -10, "Home": -100, "End": 100}
    row, key = int(rng.integers(4)), pick(rng, [*steps])
    figure.press(row, key)
    count = min(max(float(state[row]) + steps[key], 5), 60)
    return [*state[:row], count, *state[row + 1 :]]


def _chosen(figure: Moved, rng: Generator) -> State:
    """Choose something with one of the buttons that set a part of the state."""
    row, names = [(4, loop.EACH), (5, loop.WORKERS), (6, loop.LOOP)][int(rng.integers(3))]
    name = pick(rng, [*names])
    value = ",".join(name if part == row else "" for part in range(7))
    figure.page.locator(f"gx-loop button[value='{value}']").click()
    pressed = figure.page.locator("gx-loop button[aria-pressed=true]").all()
    values = [(button.get_attribute("value") or "").strip(",") for button in pressed]
    assert values == figure.words[4:]
    return figure.state


def _loop_says(state: State) -> dict[str, str]:
    counts = tuple(int(count) for count in state[:4])
    each, workers, then = map(str, state[4:])
    found = loop.loop_data(counts, each, workers, then)
    title, to_do = loop.said(found.finding)
    where = ["", ""] if workers == "one" else [", worker 1", ", worker 2"]
    return {
        **{f"count-{i}-text": f"{n} targets{where[i // 2]}" for i, n in enumerate(counts)},
        **{f"weight-{i}-text": loop.three(float(r)) for i, r in enumerate(found.ratios)},
        "verdict": f"Verdict: {title}{loop.times(found.finding.factor)}",
        "to-do": to_do,
        "fix": "" if found.finding.ok else loop.FIXES[workers],
    }


# Valley


def _level_by_pointer(figure: Moved, rng: Generator) -> State:
    level = float(rng.uniform(-0.5, 8))
    figure.drag(0, figure.place("plane", 1, level))
    return [min(max(level, 0.5), 7.5)]


def _level_by_keys(figure: Moved, rng: Generator) -> State:
    [level] = figure.state
    steps = {"ArrowLeft": -0.1, "ArrowDown": -0.1, "ArrowRight": 0.1, "ArrowUp": 0.1}
    steps |= {"PageUp": 1, "PageDown": -1, "Home": -9, "End": 9}
    key = pick(rng, [*steps])
    figure.press(0, key)
    return [round(min(max(float(level) + steps[key], 0.5), 7.5), 1)]


def _valley_says(state: State) -> dict[str, str]:
    level = float(state[0])
    left, bottom, right = valley.valley_data(level)
    said = {"level-text": f"J = {number(level)}, twice"}
    said["bottom"] = "bottom" if level >= 1.6 else ""
    for name, side in [("left", left), ("right", right)]:
        said[f"{name}-slope"] = f"slope {number(round(side.slope, 2))}"
        said[f"{name}-theta"] = f"θ = {number(round(side.theta, 3))}"
    assert left.theta < bottom.theta < right.theta
    return said


CASES = [
    Case(
        name="pairing",
        address="",
        by_pointer=_trade_by_pointer,
        by_keys=_trade_by_keys,
        says=_pairing_says,
        corners=tuple(",".join(order) for order in permutations("0123")),
        other="1,3,0,2",
        wrong=("", "0,1,2", "0,1,2,2", "a,b,c,d", "0,1,2,3,4"),
    ),
    Case(
        name="chord",
        address="learn/sigmoid/",
        by_pointer=_input_by_pointer,
        by_keys=_input_by_keys,
        says=_chord_says,
        tremble=0.04,
        room=-1,
        corners=(
            "0.41062,2.41062,sigmoid",
            "-4,4,softplus",
            "-4,-3.9,sigmoid",
            "3.9,4,tanh",
            "-1,1,relu",
            "0,1,relu",
            "1,2,relu",
            "0.2,0.3,sigmoid",
            "-1,1,sigmoid",
        ),
        other="-3.2,0.5,tanh",
        wrong=("", "0,1", "0,1,cosine", "1,0,tanh", "a,1,relu", "0,9,relu", ",,", "0,,tanh"),
    ),
    Case(
        name="two-descents",
        address="learn/line/",
        by_pointer=_start_by_pointer,
        by_keys=_start_by_keys,
        says=_two_descents_says,
        tremble=0.03,
        corners=("-0.3,0.5", "-0.3,-1.4", "2.1,0.5", "2.1,-1.4", "1.4,-1.1", "1.7,-0.9"),
        other="0.35,-1.2",
        wrong=("", "1", "0,a", "1,2,3", ",", "1,"),
        scrolls=False,
    ),
    Case(
        name="circle",
        address="learn/layerwise/",
        by_pointer=_turn_by_pointer,
        by_keys=_turn_by_keys,
        says=_circle_says,
        tremble=1.01,
        corners=("0", "45", "46", "80", "196", "197", "260", "323", "324", "360"),
        other="275",
        wrong=("", "a", "1,2", "NaN"),
    ),
    Case(
        name="cut",
        address="practice/micro-batches/",
        by_pointer=_cut_by_pointer,
        by_keys=_cut_by_keys,
        says=_cut_says,
        tremble=1.01,
        corners=tuple(map(str, range(1, 100))),
        other="32",
        wrong=("", "a", "1,2", "NaN"),
    ),
    Case(
        name="ledger",
        address="learn/ledger/",
        by_pointer=_spread_by_pointer,
        by_keys=_spread_by_keys,
        says=_ledger_says,
        tremble=0.02,
        corners=tuple(f"{spread / 20:g}" for spread in range(31)),
        other="0.35",
        wrong=("", "a", "1,2", "NaN"),
    ),
    Case(
        name="covariance",
        address="learn/line/",
        by_pointer=partial(_point_by_pointer, ranges=_COVARIANCE),
        by_keys=partial(_point_by_keys, ranges=_COVARIANCE),
        says=_covariance_says,
        tremble=0.09,
        corners=(
            "0,-1,0,-1,3,3,3,3",
            "0,3,0,3,3,-1,3,-1",
            "1,1,1,1,1,1,1,1",
            "3,3,3,3,3,3,3,3",
            "0,-1,0,-1,0,-1,0,-1",
            "0,1,1,1,2,1,3,1",
            "0.1,-0.9,1.1,0.3,2.2,2.1,2.9,0.3",
        ),
        other="0,3,1,2,2,0,3,-1",
        wrong=("", "1", "0,a,1,0,2,2,3,3", "0,1,2,3", "0,-1,1,0,2,2,3,", "0,-1,1,0,2,2,3,3,1"),
        room=1,
        scrolls=False,
    ),
    Case(
        name="clip",
        address="practice/not-a-mean/",
        by_pointer=partial(_point_by_pointer, ranges=_CLIP),
        by_keys=partial(_point_by_keys, ranges=_CLIP),
        says=_clip_says,
        tremble=0.03,
        room=-1,
        corners=(
            "0,0,0,0",
            "3,1.8,3,1.8",
            "-1.5,-1.2,3,1.8",
            "1,0,0,1",
            "1,0,-1,0",
            "-1.5,1.8,3,-1.2",
            "0,-1.2,0.2,-1.1",
            "0.6,0.8,0.6,0.8",
        ),
        other="2.8,0.2,-1,0.5",
        wrong=("", "1", "0,a,1,0", "0,1,2", "1,,2,3", "1,2,3,4,5"),
        scrolls=False,
    ),
    Case(
        name="loop",
        address="practice/check-your-loop/",
        by_pointer=_count_by_pointer,
        by_keys=_count_by_keys,
        says=_loop_says,
        tremble=1.01,
        room=-1,
        corners=tuple(
            ",".join([*map(str, counts), *choices])
            for counts in loop.PATTERNS
            for choices in product(loop.EACH, loop.WORKERS, loop.LOOP)
        ),
        other="60,20,12,5,worker,mean,nothing",
        wrong=(
            "",
            "40,30,20,10",
            "40,30,20,10,own,one,never",
            "40,30,20,,own,one,steps",
            "40,30,20,a,own,one,steps",
            "40,30,20,10,9,own,one,steps",
        ),
    ),
    Case(
        name="valley",
        address="learn/no-shortcut/",
        by_pointer=_level_by_pointer,
        by_keys=_level_by_keys,
        says=_valley_says,
        tremble=0.09,
        corners=tuple(f"{level / 10:g}" for level in range(5, 76)),
        other="1.2",
        wrong=("", "a", "1,2", "NaN"),
        scrolls=False,
    ),
]
