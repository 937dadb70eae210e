"""The look of every figure: the palette, the width, the type, and a few drawing habits."""

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

#: Each colour's CSS variable, so that one drawing follows the light and the dark page.
PALETTE = {
    TRUE: "--gx-true",
    AVERAGED: "--gx-averaged",
    GAP: "--gx-gap",
    INK: "--gx-ink",
    MUTED: "--gx-muted",
    GRID: "--gx-grid",
    PAPER: "--gx-paper",
}

WIDTH = 360  # points: about a phone's text width, so that type is hardly scaled there
SIZE = 11.5
SMALL = 10.5
DASHED = (0, (4, 2))  # what is averaged, beside its colour

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
    """Take away the axes' lines, ticks and tick labels."""
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
