"""Ledger: one weight's signed waterfall, and how the gap closes as the inputs draw together."""

from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradexplain import plotting as gx
from gradexplain.ledger import gap_ledger
from gradexplain.losses import squared_error
from gradexplain.network import backprop, random_mlp
from sitebuild.figures.moving import Moving, rounded

T = np.linspace(-1.75, 1.75, 8)[:, np.newaxis]
CENTER = 0.5
Y = np.sin(2 * T)
_NET = random_mlp((1, 3, 3, 1), np.random.default_rng(131))
_WEIGHT = (1, 0)  # of the first layer: its terms are large enough to see
_ROW = 22  # points
_RANGE = (-0.25, 0.14)
_NAMES, _VALUES = -0.26, 0.245  # where names end and values end, outside that range


@dataclass(frozen=True)
class Waterfall:
    """One weight's gradient from averages, the terms of its gap, and its true gradient."""

    averaged: float
    terms: dict[str, float]
    true: float


def ledger_data(spread: float = 1.0) -> Waterfall:
    """Return the ledger of one weight when the inputs stand at 0.5 + spread · T, targets fixed."""
    ledger = gap_ledger(backprop(_NET, CENTER + spread * T, Y, squared_error))
    return Waterfall(
        float(ledger.averaged.weights[0][_WEIGHT]),
        {name: float(term.weights[0][_WEIGHT]) for name, term in ledger.terms.items()},
        float(ledger.true.weights[0][_WEIGHT]),
    )


def _numbers(fall: Waterfall) -> list[float]:
    return [fall.averaged, *fall.terms.values(), fall.true]


MOVING = Moving(
    hint="Drag the ringed point, or use ← and →. The targets stay as they are.",
    buttons={"Reset": "1", "No spread": "0", "Widest": "1.5"},
    # At each hundredth of the spread: the script has no backprop of its own.
    given={"numbers": rounded([_numbers(ledger_data(spread / 100)) for spread in range(151)])},
)


@gx.house
def ledger() -> Figure:
    """Draw the waterfall of one weight, and both its gradients against the inputs' spread."""
    fall, figure = ledger_data(), gx.canvas(392)
    gx.heading(figure, 16, "One weight: from the averages to the truth")
    height = _ROW * (len(fall.terms) + 2)
    _waterfall(gx.panel(figure, 26, height, left=92, right=62, gid="waterfall"), fall)
    total, gap = signed(sum(fall.terms.values())), signed(fall.true - fall.averaged)
    gx.heading(figure, 197, f"terms together {total} · gap {gap}", gx.GAP, gid="sum")
    gx.heading(figure, 230, "Draw the inputs together, and the gap closes")
    _closing(gx.panel(figure, 242, 112, left=44, right=68, gid="closing"), fall)
    return figure


def _waterfall(axes: Axes, fall: Waterfall) -> None:
    """Draw both gradients as bars from zero, and each term from where the last one ended."""
    gx.bare(axes)
    levels = [*accumulate(fall.terms.values(), initial=fall.averaged)]
    last = len(levels)
    axes.axvline(0, color=gx.MUTED, linewidth=0.8)
    axes.set(xlim=_RANGE, ylim=(last + 0.5, -0.5))
    for row, level in enumerate(levels):
        ends, gid = [row, row + 1], f"level-{row}"
        axes.plot([level, level], ends, color=gx.MUTED, linewidth=0.8, zorder=0, gid=gid)
    _bar(axes, 0, 0, fall.averaged, ("averaged", gx.AVERAGED))
    for row, name in enumerate(fall.terms, start=1):
        _bar(axes, row, levels[row - 1], levels[row], (name, gx.GAP))
    _bar(axes, last, 0, fall.true, ("true", gx.TRUE))
    for row, value in enumerate(_numbers(fall)):
        between = 0 < row < last
        color = gx.GAP if between else (gx.AVERAGED if row == 0 else gx.TRUE)
        text, gid = signed(value) if between else gx.number(value, ".3f"), f"value-{row}"
        gx.label(axes, _VALUES, row, text, color, ha="right", va="center", gid=gid)


def _bar(axes: Axes, row: int, start: float, end: float, named: tuple[str, str]) -> None:
    name, color = named
    face = color if end > start else gx.PAPER  # filled is positive, hollow is negative
    axes.barh(
        row, end - start, 0.55, start, color=face, edgecolor=color, linewidth=1.4, gid=_slug(name)
    )
    gx.label(axes, _NAMES, row, name, color, ha="right", va="center")


def _closing(axes: Axes, fall: Waterfall) -> None:
    spreads = np.linspace(0, 1.5, 31)
    falls = [ledger_data(float(spread)) for spread in spreads]
    true, averaged = np.array([(fall.true, fall.averaged) for fall in falls]).T
    axes.fill_between(spreads, averaged, true, color=gx.GAP, alpha=0.16, linewidth=0, gid="between")
    axes.plot(spreads, averaged, color=gx.AVERAGED, linewidth=1.8, linestyle=gx.DASHED)
    axes.plot(spreads, true, color=gx.TRUE, linewidth=2.4)
    axes.vlines(1, fall.averaged, fall.true, color=gx.GAP, linewidth=1.4, gid="here")
    axes.plot(1, fall.averaged, "D", color=gx.AVERAGED, markersize=6, gid="here-averaged")
    axes.plot(1, fall.true, "o", color=gx.TRUE, markersize=8, gid="here-true")
    middle = (fall.averaged + fall.true) / 2
    gx.label(axes, 1.04, middle, "gap", gx.GAP, va="center", gid="gap-text")
    gx.label(axes, 1.53, true[-1], "true", gx.TRUE, va="center")
    gx.label(axes, 1.53, averaged[-1], "averaged", gx.AVERAGED, va="center")
    axes.set(xlim=(0, 1.5), ylim=(-0.25, 0.1), xticks=[0, 1], yticks=[-0.2, -0.1, 0])
    axes.set_yticks([-0.2, -0.1, 0], ["−0.2", "−0.1", "0"])
    text = "spread of the inputs; above, it is 1"
    axes.set_xlabel(text, color=gx.MUTED, labelpad=1, gid="spread-text")


def signed(value: float) -> str:
    """Write a term with its sign, and zero without one: rounding leaves it either."""
    text = gx.number(value, "+.3f")
    return "0.000" if float(f"{value:.3f}") == 0 else text


def _slug(name: str) -> str:
    return name.replace(" ", "-")
