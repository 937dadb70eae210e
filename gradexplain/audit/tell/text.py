"""Lines of at most 76 columns."""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from gradexplain.audit.tell.sentences import digits

WIDTH = 76
_ROWS = 12
_COUNT = 10  # characters


@dataclass(frozen=True)
class Part:
    """What is known of one part; None where it is not."""

    term: str
    index: int  # within its term
    count: float | None
    expected: float | None
    weight: float | None
    uncertainty: float | None
    worker: int | None = None  # that it is of, where there are several

    @property
    def ratio(self) -> float | None:
        """The weight over the expected one: 0 within its uncertainty of it, None if unknown."""
        if self.weight is None or self.uncertainty is None or not self.expected:
            return None
        return 0.0 if abs(self.weight) <= self.uncertainty else self.weight / self.expected

    @property
    def agrees(self) -> bool:
        """Whether the weight is the expected one, as far as it can be read."""
        if self.weight is None or self.uncertainty is None or not self.expected:
            return False
        return abs(self.weight - self.expected) <= self.uncertainty


def wrapped(text: str, label: str = "") -> list[str]:
    """Break a text into lines; those after the first stand under the label."""
    indent = " " * min(len(label), 24)
    return textwrap.wrap(label + text, WIDTH, subsequent_indent=indent, break_on_hyphens=False) or [
        label
    ]


def table(parts: Sequence[Part]) -> list[str]:
    """Return a line per part; of many parts, those furthest from expected, in their own order."""
    far = sorted(range(len(parts)), key=lambda k: -_distance(parts[k]))
    shown = sorted(far[:_ROWS])
    width = max(len(_label(parts)), *(len(_name(part)) for part in parts), 0)
    lines = [f"{_label(parts):>{width}}      count   expected       read   read/expected"]
    lines += [_row(parts[k], width) for k in shown]
    if len(shown) < len(parts):
        lines.append(f"… and {len(parts) - len(shown)} more parts, nearer to expected")
    return lines


def _label(parts: Sequence[Part]) -> str:
    """Return the head of the first column."""
    return "part" if all(part.worker is None for part in parts) else "part  worker"


def _name(part: Part) -> str:
    if part.worker is None:
        return f"{part.term[:22]} {part.index}".strip()  # an index of four digits still fits
    return f"{part.term[:14]} {part.index}  {part.worker:>6}".strip()


def _row(part: Part, width: int) -> str:
    weight, ratio = part.weight, part.ratio
    if part.agrees:  # to the last digit that can be read
        ratio = 1.0
    elif ratio == 0:
        weight = 0.0
    if weight is not None and abs(weight - 1) <= (part.uncertainty or 0):
        weight = 1.0
    cells = [digits(v) if v is not None else "?" for v in (part.expected, weight, ratio)]
    count = f"{part.count:g}" if part.count is not None else "–"
    if len(count) > _COUNT and part.count is not None:
        whole = f"{part.count:.9g}"
        count = whole if len(whole) <= _COUNT else f"{part.count:.4g}"
    return f"{_name(part):>{width}} {count:>10} {cells[0]:>10} {cells[1]:>10} {cells[2]:>15}"


def _distance(part: Part) -> float:
    if part.weight is None or part.expected is None:
        return math.inf
    return abs(part.weight - part.expected)
