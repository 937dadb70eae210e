"""Lines of at most 80 columns."""

import textwrap
from typing import TYPE_CHECKING

from gradexplain.audit.case import digits

if TYPE_CHECKING:
    from gradexplain.audit.report import Report

_WIDTH = 80
_ROWS = 12


def wrapped(text: str, label: str = "") -> list[str]:
    """Break a text into lines; those after the first stand under the label."""
    indent = " " * min(len(label), 24)
    return textwrap.wrap(label + text, _WIDTH, subsequent_indent=indent) if text else []


def table(report: "Report") -> list[str]:
    """Return a line per part; of many parts, those furthest from right, in their own order."""
    rows = list(range(len(report.right)))
    if len(rows) > _ROWS:
        far = sorted(rows, key=lambda k: -_distance(report, k))
        rows = sorted(far[:_ROWS])
    lines = [" part      count      right    implied   implied/right"]
    lines += [_row(report, k) for k in rows]
    if len(rows) < len(report.right):
        lines.append(f" … and {len(report.right) - len(rows)} more parts, nearer to right")
    return lines


def _row(report: "Report", k: int) -> str:
    count = f"{report.counts[k]:g}" if report.counts is not None else "–"
    right, implied, ratio = report.right[k], report.implied[k], report.ratios[k]
    cells = [digits(value) if value is not None else "?" for value in (right, implied, ratio)]
    return f"{k:>5} {count:>10} {cells[0]:>10} {cells[1]:>10} {cells[2]:>15}"


def _distance(report: "Report", k: int) -> float:
    implied, right = report.implied[k], report.right[k]
    return float("inf") if implied is None or right is None else abs(implied - right)
