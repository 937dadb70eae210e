"""How each moving figure is moved, and what Python says it must then show."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import permutations, product
from typing import Protocol

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
_SAID = """([name, parts]) => parts.map(
  part => document.querySelector(`#${name}-${CSS.escape(part)} text`).textContent)"""
_GO_TO = """([tag, query]) => {
  if (document.querySelector(tag).pending) return false;
  history.pushState(null, '', query);
  return dispatchEvent(new Event('popstate'));
}"""
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

    def said(self, parts: list[str]) -> list[str]:
        """Return what stands in several of its texts."""
        found: list[str] = self.page.evaluate(_SAID, [self.name.replace("-", "_"), parts])
        return found

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
        """Have the address changed under the open page, once it holds what was moved before."""
        self.page.wait_for_function(_GO_TO, arg=[self.tag, query])

    def press(self, handle: int, key: str) -> None:
        """Press a key on a handle."""
        self.page.locator(f"{self.tag} .gx-handle").nth(handle).press(key)


class Hands(Protocol):
    """How a figure is moved."""

    def move(self, figure: Moved, rng: Generator, key: str) -> State:
        """Press this key on one of its handles, or drag it if there is none.

        Return the state that it must then be in.
        """


@dataclass(frozen=True)
class Case:
    """One figure: its page, its moves, and what it must say in a state."""

    name: str
    address: str
    hands: Hands
    says: Callable[[State], dict[str, str]]
    corners: tuple[str, ...]  # states where something could go wrong
    other: str  # a state in the address, that is not the drawing's own
    wrong: tuple[str, ...] = ("", "a", "1,2", "NaN")  # states that an address may hold by mistake
    planted: tuple[str, str] = ("/ values.length", "/ (values.length + 0.1)")  # a wrong figure.js
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


# How they are moved

Range = tuple[float, float]
STEPS = {"ArrowLeft": -1, "ArrowDown": -1, "ArrowRight": 1, "ArrowUp": 1}
STEPS |= {"PageUp": 10, "PageDown": -10, "Home": -1000, "End": 1000}


def near(rng: Generator, limits: Range, beyond: float = 0.05) -> float:
    """Return a number within the limits, or a little outside them."""
    low, high = limits
    return float(rng.uniform(low - beyond * (high - low), high + beyond * (high - low)))


def within(value: float, limits: Range) -> float:
    """Return the number, or the limit that it is beyond."""
    return min(max(value, limits[0]), limits[1])


@dataclass(frozen=True)
class Slider:
    """One handle that goes along one axis."""

    axes: str
    limits: Range
    step: float
    up: bool = False

    def move(self, figure: Moved, rng: Generator, key: str) -> State:
        """Step or drag it."""
        if key:
            aim = float(figure.state[0]) + self.step * STEPS[key]
            figure.press(0, key)
        else:
            aim = near(rng, self.limits)
            figure.drag(0, figure.place(self.axes, *((1, aim) if self.up else (aim, 0))))
        return [round(within(aim, self.limits), 2)]


@dataclass(frozen=True)
class Points:
    """Points of a plane that go where they are put."""

    limits: tuple[Range, Range]
    step: float

    def move(self, figure: Moved, rng: Generator, key: str) -> State:
        """Step or drag one of them, up with the keys that go up."""
        state, point = figure.state, int(rng.integers(len(figure.state) // 2))
        to = [*map(float, state[2 * point : 2 * point + 2])]
        if key:
            to[key in {"ArrowUp", "ArrowDown", "PageUp", "PageDown"}] += self.step * STEPS[key]
            figure.press(point, key)
        else:
            to = [near(rng, limits) for limits in self.limits]
            figure.drag(point, figure.place("plane", *to))
        limited = [within(value, limits) for value, limits in zip(to, self.limits, strict=True)]
        return [*state[: 2 * point], *limited, *state[2 * point + 2 :]]


class Errors:
    """The four errors of the pairing, which trade places."""

    def move(self, figure: Moved, rng: Generator, key: str) -> State:
        """Step one, or drag it onto another."""
        order, error = figure.state, int(rng.integers(4))
        before = order.index(error)
        if key:
            place = int(within(before + STEPS[key], (0, 3)))
            figure.press(3 - error, key)
        else:
            place = int(rng.integers(4))
            aim = figure.place("traded-errors", place + rng.uniform(-0.3, 0.3), 1)
            figure.drag(3 - error, aim)
        order[before], order[place] = order[place], order[before]
        return order


class Inputs:
    """The two inputs of the chord, and the activation that is chosen."""

    def move(self, figure: Moved, rng: Generator, key: str) -> State:
        """Step one input; or choose an activation now and then, and drag one input."""
        state, handle = figure.state, int(rng.integers(2))
        if key:
            aim = float(state[handle]) + STEPS[key] / 10
            figure.press(handle, key)
        else:
            if rng.random() < 0.3:
                state[2] = pick(rng, [*chord.NAMES])
                figure.page.locator(f"gx-chord button[value=',,{state[2]}']").click()
            aim = near(rng, (-4, 4))
            figure.drag(handle, figure.place("whole", aim, 0.1))
        left, right = map(float, state[:2])
        state[handle] = within(aim, (left + 0.1, 4) if handle else (-4, right - 0.1))
        return state


class Counts:
    """The four counts of the loop, and what is chosen below them."""

    def move(self, figure: Moved, rng: Generator, key: str) -> State:
        """Choose something, and step or drag one count."""
        state, row = self._chosen(figure, rng), int(rng.integers(4))
        if key:
            aim = float(state[row]) + STEPS[key]
            figure.press(row, key)
        else:
            aim = near(rng, loop.LIMITS)
            figure.drag(row, figure.place("counts", aim, row + 0.7))
        state[row] = within(aim, loop.LIMITS)
        return state

    def _chosen(self, figure: Moved, rng: Generator) -> State:
        """Choose something with one of the buttons that set a part of the state."""
        row, names = [(4, loop.EACH), (5, loop.WORKERS), (6, loop.LOOP)][int(rng.integers(3))]
        name = pick(rng, [*names])
        value = ",".join(name if part == row else "" for part in range(7))
        figure.page.locator(f"gx-loop button[value='{value}']").click()
        pressed = figure.page.locator("gx-loop button[aria-pressed=true]").all()
        values = [(button.get_attribute("value") or "").strip(",") for button in pressed]
        assert values == figure.words[4:]
        return figure.state


# What they must say


def _pairing_says(state: State) -> dict[str, str]:
    found = pairing.pairing_data(tuple(int(error) for error in state))
    averages = {"input": found.mean_input, "error": found.mean_error, "loss": found.mean_loss}
    given = "as given" if state == [0, 1, 2, 3] else "traded"
    return {
        "traded-averages": " · ".join(f"mean {of} {number(v)}" for of, v in averages.items()),
        "traded-true-text": f"true {number(found.true)}",
        "traded-heading": f"The same four errors, {given}",
    }


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


def _circle_says(state: State) -> dict[str, str]:
    found = circle.circle_data(math.radians(float(state[0])))
    rows = {f"still-{row}-text": value for row, value in enumerate(found.averages.values())}
    values = {**rows, "true-text": found.true, "averaged-text": found.averaged}
    return {part: number(value, ".3f") for part, value in values.items()}


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


def _ledger_says(state: State) -> dict[str, str]:
    found = ledger.ledger_data(float(state[0]))
    values = [number(found.averaged, ".3f"), *map(ledger.signed, found.terms.values())]
    rows = {f"value-{row}": text for row, text in enumerate([*values, number(found.true, ".3f")])}
    total, gap = sum(found.terms.values()), found.true - found.averaged
    return {
        **rows,
        "sum": f"terms together {ledger.signed(total)} · gap {ledger.signed(gap)}",
        "spread-text": f"spread of the inputs; above, it is {number(float(state[0]))}",
    }


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


#: These take their numbers as they are.
_TEXT = "signed(value.toFixed", "signed((value + 0.01).toFixed"
CASES = [
    Case(
        name="pairing",
        address="",
        hands=Errors(),
        says=_pairing_says,
        corners=tuple(",".join(order) for order in permutations("0123")),
        other="1,3,0,2",
        wrong=("", "0,1,2", "0,1,2,2", "a,b,c,d", "0,1,2,3,4"),
    ),
    Case(
        name="chord",
        address="learn/sigmoid/",
        hands=Inputs(),
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
        hands=Points(two_descents.STARTS, 0.05),
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
        hands=Slider("moving", (0, 360), 5),
        says=_circle_says,
        tremble=1.01,
        corners=("0", "45", "46", "80", "196", "197", "260", "323", "324", "360"),
        other="275",
        planted=_TEXT,
    ),
    Case(
        name="cut",
        address="practice/micro-batches/",
        hands=Slider("losses", (1, 99), 1),
        says=_cut_says,
        tremble=1.01,
        corners=tuple(map(str, range(1, 100))),
        other="32",
    ),
    Case(
        name="ledger",
        address="learn/ledger/",
        hands=Slider("closing", (0, 1.5), 0.05),
        says=_ledger_says,
        tremble=0.02,
        corners=tuple(f"{spread / 20:g}" for spread in range(31)),
        other="0.35",
        planted=_TEXT,
    ),
    Case(
        name="covariance",
        address="learn/line/",
        hands=Points((covariance.INPUT_RANGE, covariance.ERROR_RANGE), 0.1),
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
        scrolls=False,
    ),
    Case(
        name="clip",
        address="practice/not-a-mean/",
        hands=Points((clip.ACROSS, clip.UP), 0.1),
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
        hands=Counts(),
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
        hands=Slider("plane", valley.LEVELS, 0.1, up=True),
        says=_valley_says,
        tremble=0.09,
        corners=tuple(f"{level / 10:g}" for level in range(5, 76)),
        other="1.2",
        scrolls=False,
    ),
]
