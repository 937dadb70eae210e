"""The look of every figure: the palette, the width, and a few drawing habits."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

TRUE = "#0067a5"
AVERAGED = "#b84a00"
GAP = "#8e3b86"
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

WIDTH = 360  # points: about a phone's text width, so that type is never scaled below its size
SIZE = 11.5


def panels(heights: Sequence[float], gap: float = 44, bottom: float = 34) -> tuple[Figure, list[Axes]]:
    """Return a figure of stacked panels, heights in points, with the house's margins and type."""
    left, right, top = 34, 12, 24
    total = top + sum(heights) + gap * (len(heights) - 1) + bottom
    figure = Figure(figsize=(WIDTH / 72, total / 72))
    axes, y = [], total - top
    for height in heights:
        y -= height
        box = (left / WIDTH, y / total, (WIDTH - left - right) / WIDTH, height / total)
        axes.append(_plain(figure.add_axes(box)))
        y -= gap
    return figure, axes


def label(axes: Axes, x: float, y: float, text: str, color: str = INK, **options: object) -> None:
    """Write a direct label at a point of the data."""
    axes.text(x, y, text, **{"color": color, "fontsize": SIZE, **options})  # type: ignore[arg-type]


def title(axes: Axes, text: str) -> None:
    """Write a panel's title above its left edge."""
    axes.set_title(text, loc="left", fontsize=SIZE, color=INK, pad=8)


def _plain(axes: Axes) -> Axes:
    axes.patch.set_visible(False)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(MUTED)
    axes.tick_params(colors=MUTED, labelsize=SIZE - 1, length=3)
    return axes
