"""Loop: what a training loop divides by, the weight that gives each target, and the verdict."""

from dataclasses import dataclass
from itertools import product

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradexplain import plotting as gx
from gradexplain.arrays import Array
from gradexplain.audit.judge import Case, Finding, Parts, Verdict, decide, directly_read
from gradexplain.audit.tell.words import TITLES
from sitebuild.figures.moving import Moving

COUNTS = (40, 30, 20, 10)
LIMITS = (5, 60)  # of a count; below, some mistakes would cancel
#: What may be chosen, each by its name in the address.
EACH = {
    "own": "its own count",
    "worker": "its worker's count",
    "all": "the global count",
    "nothing": "nothing",
}
WORKERS = {"one": "one", "mean": "two, averaged", "sum": "two, added up"}
LOOP = {
    "nothing": "nothing",
    "steps": "its steps",
    "total": "the global count",
    "share": "global count / workers",
    "workers": "1 / workers",
}
#: The one line that is right, by what the workers do.
FIXES = {
    "one": "(losses.sum() / total).backward()",
    "mean": "(losses.sum() * workers / total).backward()",
    "sum": "(losses.sum() / total).backward()",
}
#: Counts of each pattern: whether both micro-batches of a worker are equal, whether both workers.
PATTERNS = ((40, 30, 20, 10), (40, 40, 10, 10), (40, 10, 30, 20), (25, 25, 25, 25))
_FIX = "Divide once, by the global count:"
_START = ("own", "one", "steps")
_TITLES = "Four micro-batches", "The weight of one target"
_LEFT, _SPLIT, _ROW = 12, 190, 40  # points
_BAR, _TEXT = 0.72, 0.36  # of a row
_RIGHT = 0.42, len(COUNTS)  # from where to where the line of the right weight goes


@dataclass(frozen=True)
class Loop:
    """What a loop gives: each micro-batch's weight, that of one target in it, and the verdict."""

    weights: Array  # of the micro-batches' means
    ratios: Array  # of one target: its weight over the right one
    factor: float  # of all weights together
    finding: Finding


def loop_data(
    counts: tuple[int, ...] = COUNTS, each: str = "own", workers: str = "one", loop: str = "steps"
) -> Loop:
    """Return what the choices of `EACH`, `WORKERS` and `LOOP` make of these counts."""
    n = np.array(counts, float)
    W = 1 if workers == "one" else 2
    groups = np.arange(len(n)) * W // len(n)
    own = np.bincount(groups, n)[groups]
    divisor = {"own": n, "worker": own, "all": n.sum(), "nothing": 1.0}[each]
    steps, total = len(n) / W, n.sum()
    then = {"nothing": 1, "steps": steps, "total": total, "share": total / W, "workers": 1 / W}
    weights = n / divisor / then[loop] / (W if workers == "mean" else 1)
    parts = Parts(
        expected=n / total,
        slack=np.zeros(len(n)),
        counts=n,
        groups=None if W == 1 else tuple(groups.tolist()),
        means=False,  # no gradients were passed in, so whether they are of sums is no question
    )
    read = directly_read(weights, 2.0**-24, np.zeros(len(n), bool))
    finding = decide(Case(read, parts))
    return Loop(weights, weights / n * total, float(weights.sum()), finding)


def said(finding: Finding) -> tuple[str, str]:
    """Return the verdict's title, and what to do."""
    if finding.verdict is not Verdict.EXACT:
        return TITLES[finding.verdict], _FIX
    if any(note.kind == "equal counts" for note in finding.notes):
        return TITLES[finding.verdict], "The counts are equal: a mean of means looks the same."
    return TITLES[finding.verdict], "Every target weighs the same. Nothing to fix."


def pattern(counts: tuple[int, ...]) -> int:
    """Return which of `PATTERNS` these counts are like: only that matters to a verdict."""
    a, b, c, d = counts
    return int(a == b and c == d) + 2 * (a + b == c + d)


def table() -> tuple[list[tuple[str, str]], dict[str, str]]:
    """Return all that can be said, and which of it is, by choices: one digit for each pattern."""
    everything: list[tuple[str, str]] = []
    found = {}
    for choices in product(EACH, WORKERS, LOOP):
        says = [said(loop_data(counts, *choices).finding) for counts in PATTERNS]
        everything += [one for one in dict.fromkeys(says) if one not in everything]
        found[",".join(choices)] = "".join(str(everything.index(one)) for one in says)
    return everything, found


def _moving() -> Moving:
    everything, found = table()
    return Moving(
        hint="Drag a ringed count, or use ← and →, and choose what divides.",
        buttons={
            "Reset": ",".join([*map(str, COUNTS), *_START]),
            "Equal counts": "25,25,25,25,,,",
            "Fixed": ",,,,all,one,nothing",
        },
        choices={
            "Each micro-batch divides its summed loss by": {
                text: f",,,,{name},," for name, text in EACH.items()
            },
            "Workers": {text: f",,,,,{name}," for name, text in WORKERS.items()},
            "Then the loop divides by": {text: f",,,,,,{name}" for name, text in LOOP.items()},
        },
        given={
            "limits": LIMITS,
            "bar": _BAR,
            "right": _RIGHT,
            "said": everything,
            "table": found,
            "fixes": FIXES,
        },
    )


MOVING = _moving()


@gx.house
def loop() -> Figure:
    """Draw each count with the weight that one of its targets has, the verdict and the fix."""
    found, figure = loop_data(), gx.canvas(296)
    gx.heading(figure, 16, _TITLES[0])
    gx.heading(figure, 16, _TITLES[1], left=_SPLIT)
    height = _ROW * len(COUNTS)
    _counts(gx.panel(figure, 24, height, left=_LEFT, right=360 - 170, gid="counts"))
    _weights(gx.panel(figure, 24, height + 18, left=_SPLIT, right=12, gid="weights"), found)
    title, to_do = said(found.finding)
    gx.heading(figure, 232, f"Verdict: {title}{times(found.factor)}", gx.AVERAGED, gid="verdict")
    gx.heading(figure, 254, to_do, gid="to-do")
    gx.heading(figure, 276, FIXES["one"], gx.TRUE, gid="fix")
    return figure


def three(value: float) -> str:
    """Write three digits, halves up."""
    return gx.number(value + 1e-9, ".3g")


def times(factor: float) -> str:
    """Write a factor after a verdict, if there is one."""
    return "" if abs(factor - 1) < 1e-9 else f", times {three(factor)}"


def _counts(axes: Axes) -> None:
    gx.bare(axes)
    for row, count in enumerate(COUNTS):
        y = row + _BAR
        axes.plot([0, count], [y, y], color=gx.MUTED, linewidth=5, gid=f"count-{row}")
        [knob] = axes.plot(count, y, "o", color=gx.INK, markersize=8, gid=f"knob-{row}")
        knob.set(markeredgecolor=gx.PAPER, markeredgewidth=1.5)
        gx.label(
            axes, 0, row + _TEXT, f"{count} targets", fontsize=gx.SMALL, gid=f"count-{row}-text"
        )
    axes.set(xlim=(0, LIMITS[1] + 3), ylim=(len(COUNTS), 0))


def _weights(axes: Axes, found: Loop) -> None:
    """Draw the weights over the right one, as far as the largest of them reaches."""
    gx.bare(axes)
    bottom = len(COUNTS) + 18 / _ROW
    top = max(2.0, float(found.ratios.max()))
    for row, ratio in enumerate(found.ratios):
        y = row + _BAR
        [bar] = axes.plot([0, ratio / top], [y, y], color=gx.AVERAGED, gid=f"weight-{row}")
        bar.set(linewidth=7, solid_capstyle="butt")
        text, gid = three(ratio), f"weight-{row}-text"  # on the right, where no line passes
        gx.label(axes, 1, row + _TEXT, text, gx.AVERAGED, ha="right", fontsize=gx.SMALL, gid=gid)
    axes.plot([1 / top] * 2, _RIGHT, color=gx.TRUE, linewidth=1.6, gid="right")
    place = len(COUNTS) + 0.32
    gx.label(
        axes, 1 / top, place, "right: 1", gx.TRUE, ha="center", fontsize=gx.SMALL, gid="right-text"
    )
    axes.set(xlim=(0, 1), ylim=(bottom, 0))
