"""Audit report: each part's implied weight over the right one; at one, the mean is the mean."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradexplain.audit import Report, audit_accumulation
from gradexplain.audit.tell.words import TITLES
from gradexplain.figures.style import (
    AVERAGED,
    INK,
    MUTED,
    SMALL,
    TRUE,
    bare,
    canvas,
    heading,
    house,
    label,
    number,
    panel,
)

MOST = 12  # bars that there is room for
_ROW = 26.0  # points


def audit_report_data(seed: int = 0) -> Report:
    """Audit a mean of means over four parts of 40, 30, 20 and 10 targets."""
    rng = np.random.default_rng(seed)
    parts = rng.standard_normal((4, 100))
    return audit_accumulation(parts.mean(axis=0), list(parts), counts=[40, 30, 20, 10])


@house
def audit_report(report: Report | None = None) -> Figure:
    """Draw a bar per part from one to its ratio; of many parts, those furthest from one."""
    report = audit_report_data() if report is None else report
    bars = _chosen(report.ratios)
    figure = canvas(48 + _ROW * (len(bars) + 0.6))
    heading(figure, 18, f"Verdict: {TITLES[report.verdict]}")
    heading(figure, 36, _subtitle(report, len(bars)), MUTED)
    axes = panel(figure, 44, _ROW * (len(bars) + 0.6), left=12, right=12)
    bare(axes)
    _bars(axes, bars)
    return figure


def _bars(axes: Axes, bars: list[tuple[int, float | None]]) -> None:
    known = [ratio for _, ratio in bars if ratio is not None]
    low, high = min([0.0, *known]), max([1.0, *known])
    span = high - low
    axes.set(xlim=(low - 0.36 * span, high + 0.32 * span), ylim=(len(bars) - 0.4, -1.3))
    axes.plot([1, 1], [-0.6, len(bars) - 0.4], color=TRUE, linewidth=1.4)
    label(axes, 1, -0.75, "right: 1", TRUE, ha="center", fontsize=SMALL)
    for y, (part, ratio) in enumerate(bars):
        label(axes, low - 0.34 * span, y, f"part {part}", MUTED, va="center", fontsize=SMALL)
        if ratio is None:
            label(axes, low, y, "can’t be told", MUTED, va="center", fontsize=SMALL)
            continue
        off = abs(ratio - 1) > 1e-3
        color = AVERAGED if off else TRUE
        axes.plot([0, ratio], [y, y], color=color, linewidth=9, solid_capstyle="butt")
        at = max(ratio, 1.0 if abs(ratio - 1) < 0.2 * span else ratio, 0.0) + 0.03 * span
        label(axes, at, y, number(ratio, ".3g"), INK, va="center")


def _chosen(ratios: tuple[float | None, ...]) -> list[tuple[int, float | None]]:
    """Return the parts furthest from one, unknown ones first, in their own order."""
    numbered = list(enumerate(ratios))
    far = sorted(numbered, key=lambda pair: -np.inf if pair[1] is None else -abs(pair[1] - 1))
    return sorted(far[:MOST], key=lambda pair: pair[0])


def _subtitle(report: Report, shown: int) -> str:
    rest = "" if shown == len(report.ratios) else f", {shown} of {len(report.ratios)} parts"
    return f"implied weight over the right one{rest}"
