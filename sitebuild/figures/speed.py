"""Speed: how the time of an audit and of a sketch grows with the gradient, as recorded."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gradexplain.arrays import Array
from gradexplain.plotting import (
    DASHED,
    INK,
    MUTED,
    PAPER,
    canvas,
    heading,
    house,
    label,
    panel,
)

#: What `make bench` wrote.
RECORD = Path(__file__).parents[2] / "docs" / "reference" / "speed.json"


@dataclass(frozen=True)
class Growth:
    """Numbers in a gradient, and the least seconds of each work on it."""

    lengths: list[int]
    audit: list[float]
    sketch: list[float]


def speed_data(record: Path = RECORD) -> Growth:
    """Return the recorded growth with P, the number of parameters."""
    rows = json.loads(record.read_bytes())["growth"]
    by_work = {row["work"]: row for row in rows if row["of"] == "P"}
    seconds = {work: [least for least, _ in row["seconds"]] for work, row in by_work.items()}
    return Growth(by_work["audit"]["sizes"], seconds["audit"], seconds["sketch"])


@house
def speed() -> Figure:
    """Draw both over the length, by powers of ten, beside lines of linear growth."""
    found, figure = speed_data(), canvas(276)
    heading(figure, 16, "Seconds, by numbers in the gradient")
    axes = panel(figure, 30, 206, left=48)
    lengths = np.log10(found.lengths)
    audit, sketch = np.log10(found.audit), np.log10(found.sketch)
    _curve(axes, lengths, audit, INK, "audit")
    _curve(axes, lengths, sketch, PAPER, "sketch")
    label(axes, lengths[3], audit[3] + 0.35, "audit of 8 parts", INK, ha="right")
    label(axes, lengths[3], sketch[3] - 0.65, "sketch of one gradient", INK)
    low, high = np.floor(sketch.min()), np.ceil(audit.max())
    axes.set(xlim=(lengths[0] - 0.1, lengths[-1] + 0.1), ylim=(low - 0.1, high + 0.1))
    axes.set_xticks(lengths[::2], [f"{P / 1e6:.3g}" for P in found.lengths[::2]])
    seconds = np.arange(low, high + 1)
    axes.set_yticks(seconds, [f"{10**power:g}" for power in seconds])
    axes.set_xlabel("parameters, in millions (dashed: linear growth)", color=MUTED, labelpad=2)
    return figure


def _curve(axes: Axes, x: Array, y: Array, face: str, name: str) -> None:
    axes.plot(x, x - x[0] + y[0], color=MUTED, linewidth=1, linestyle=DASHED, gid=f"{name}-linear")
    axes.plot(
        x,
        y,
        "o-",
        color=INK,
        markerfacecolor=face,
        markersize=6,
        linewidth=1.8,
        gid=f"{name}-grown",
    )
