"""How each moving figure is moved, and what Python says it must then show."""

from collections.abc import Callable
from dataclasses import dataclass

from numpy.random import Generator
from playwright.sync_api import Page

from browser.checks import still
from gradexplain.figures import pairing
from gradexplain.figures.style import number

State = list[float | str]
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
        box = self.page.locator(f"{self.tag} .gx-handle .gx-ring").nth(handle).bounding_box()
        if box is None:
            raise AssertionError(handle)
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def place(self, axes: str, x: float, y: float) -> tuple[float, float]:
        """Return where a point of some axes' data stands in the window."""
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
    other: str  # a state in the address, that is not the drawing's own
    wrong: tuple[str, ...]  # states that an address may hold by mistake
    room: int = 1  # whether the first handle has its room to the right, or −1 to the left
    scrolls: bool = True  # whether a finger on a handle may scroll the page


def read(parts: list[str]) -> State:
    """Turn a state's words into numbers where they are numbers."""
    return [part if part.isalpha() else float(part) for part in parts]


def pick(rng: Generator, names: list[str]) -> str:
    """Return one of the names."""
    return names[rng.integers(len(names))]


def same(found: State, expected: State) -> bool:
    """Tell whether two states are the same, but for what a hand's tremble does."""
    return len(found) == len(expected) and all(
        a == b or (isinstance(a, float) and isinstance(b, float) and abs(a - b) < 0.025)
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


CASES = [
    Case(
        name="pairing",
        address="",
        by_pointer=_trade_by_pointer,
        by_keys=_trade_by_keys,
        says=_pairing_says,
        other="1,3,0,2",
        wrong=("", "0,1,2", "0,1,2,2", "a,b,c,d", "0,1,2,3,4"),
    )
]
