"""Lines of at most 80 columns."""

import math
import textwrap

from gradexplain.audit.case import digits

#: What is known of one part: its count, right weight, implied weight, and their ratio.
Part = tuple[float | None, float | None, float | None, float | None]

_WIDTH = 80
_ROWS = 12


def wrapped(text: str, label: str = "") -> list[str]:
    """Break a text into lines; those after the first stand under the label."""
    indent = " " * min(len(label), 24)
    return textwrap.wrap(label + text, _WIDTH, subsequent_indent=indent)


def table(parts: list[Part]) -> list[str]:
    """Return a line per part; of many parts, those furthest from right, in their own order."""
    far = sorted(range(len(parts)), key=lambda k: -_distance(parts[k]))
    shown = sorted(far[:_ROWS])
    lines = [" part      count      right    implied   implied/right"]
    lines += [_row(k, parts[k]) for k in shown]
    if len(shown) < len(parts):
        lines.append(f" … and {len(parts) - len(shown)} more parts, nearer to right")
    return lines


def _row(k: int, part: Part) -> str:
    count, right, implied, ratio = part
    implied = 0.0 if ratio == 0 else implied
    cells = [digits(value) if value is not None else "?" for value in (right, implied, ratio)]
    given = f"{count:g}" if count is not None else "–"
    return f"{k:>5} {given:>10} {cells[0]:>10} {cells[1]:>10} {cells[2]:>15}"


def _distance(part: Part) -> float:
    _, right, implied, _ = part
    return math.inf if implied is None or right is None else abs(implied - right)
