"""The plot of a report, and the look that it shares with the site's figures.

Needs the extra `figures`: matplotlib.
"""

from collections.abc import Sequence
from math import inf

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

TRUE = "#0067a5"
AVERAGED = "#b84a00"
GAP = "#7d1f6f"
INK = "#1f2328"
MUTED = "#5f6872"
GRID = "#d5dae0"
PAPER = "#ffffff"

WIDTH = 360  # points: about a phone's text width, so that type is hardly scaled there
SIZE = 11.5
SMALL = 10.5
DASHED = (0, (4, 2))  # what is averaged, beside its color

#: Every figure is drawn under `@house`: the reader's own matplotlibrc has no say in it.
house = style.context(
    [
        "default",
        {
            "font.family": ["DejaVu Sans"],
            "font.size": SIZE,
            "text.color": INK,
            "text.parse_math": False,
            "lines.solid_capstyle": "round",
            "svg.fonttype": "none",
            "svg.hashsalt": "gradexplain",  # or its ids differ from one drawing to the next
        },
    ]
)

MOST = 12  # bars that there is room for
_ROW = 26.0  # points


@house
def audit_report(ratios: Sequence[float | None], title: str) -> Figure:
    """Draw a bar per micro-batch from zero to its ratio; of many, those furthest from one.

    A ratio is a weight over the expected one, or None where it cannot be determined.

    >>> figure = audit_report([0.5, 0.8, 1.2, None], "reweighted")
    >>> [text.get_text() for text in figure.texts]
    ['Verdict: reweighted', 'weight over the expected one']
    """
    bars = _chosen(ratios)
    figure = canvas(48 + _ROW * (len(bars) + 0.6))
    rest = "" if len(bars) == len(ratios) else f", {len(bars)} of {len(ratios)} parts"
    heading(figure, 18, f"Verdict: {title}")
    heading(figure, 36, f"weight over the expected one{rest}", MUTED)
    axes = panel(figure, 44, _ROW * (len(bars) + 0.6), left=12, right=12)
    bare(axes)
    _bars(axes, bars)
    return figure


def canvas(height: float) -> Figure:
    """Return an empty figure of the house's width, its height in points."""
    return Figure(figsize=(WIDTH / 72, height / 72))


def panel(
    figure: Figure,
    top: float,
    height: float,
    left: float = 34,
    right: float = 14,
    gid: str | None = None,
) -> Axes:
    """Add axes at a fixed place, in points from the figure's edges; only left and bottom drawn."""
    total = figure.get_figheight() * 72
    width = WIDTH - left - right
    box = (left / WIDTH, 1 - (top + height) / total, width / WIDTH, height / total)
    axes = figure.add_axes(box, gid=gid)
    axes.patch.set_visible(False)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set(color=MUTED, linewidth=0.8)
    axes.tick_params(color=MUTED, labelcolor=MUTED, labelsize=SMALL, length=3, width=0.8, pad=3)
    return axes


def bare(axes: Axes) -> None:
    """Remove the axes' lines, ticks and tick labels."""
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.set(xticks=[], yticks=[])


def label(axes: Axes, x: float, y: float, text: str, color: str = INK, **options: object) -> None:
    """Write directly at a point of the data."""
    axes.text(x, y, text, **{"color": color, **options})  # type: ignore[arg-type]


def heading(
    figure: Figure,
    top: float,
    text: str,
    color: str = INK,
    left: float = 12,
    gid: str | None = None,
) -> None:
    """Write a line whose baseline lies `top` points below the figure's upper edge."""
    total = figure.get_figheight() * 72
    figure.text(left / WIDTH, 1 - top / total, text, color=color, gid=gid)


def number(value: float, form: str = "g") -> str:
    """Format a value with a true minus sign, and never as minus zero."""
    digits = format(value, form).replace("-", "−")
    return digits.removeprefix("−") if float(format(value, form)) == 0 else digits


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
            label(axes, low, y, "unknown", MUTED, va="center", fontsize=SMALL)
            continue
        off = abs(ratio - 1) > 1e-3
        color = AVERAGED if off else TRUE
        axes.plot([0, ratio], [y, y], color=color, linewidth=9, solid_capstyle="butt")
        at = max(ratio, 1.0 if abs(ratio - 1) < 0.2 * span else ratio, 0.0) + 0.03 * span
        label(axes, at, y, number(ratio, ".3g"), INK, va="center")


def _chosen(ratios: Sequence[float | None]) -> list[tuple[int, float | None]]:
    """Return the parts furthest from one, unknown ones first, in their own order."""
    far = sorted(enumerate(ratios), key=lambda pair: -inf if pair[1] is None else -abs(pair[1] - 1))
    return sorted(far[:MOST], key=lambda pair: pair[0])
