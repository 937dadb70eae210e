"""Card: a page's title and description, for where its address is shared. No figure of a page."""

import textwrap

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from gradexplain.plotting import AVERAGED, GAP, INK, MUTED, PAPER, TRUE, house


@house
def card(title: str, text: str) -> Figure:
    """Draw a card of 1200 × 630 pixels, the size that previews ask for."""
    figure = Figure(figsize=(12, 6.3), dpi=100, facecolor=PAPER)
    figure.text(0.07, 0.84, "gradexplain", fontsize=24, color=MUTED)
    heading = textwrap.fill(title, 28)
    figure.text(0.07, 0.74, heading, fontsize=44, weight="bold", color=INK, va="top")
    below = textwrap.fill(text, 66)
    figure.text(0.07, 0.14, below, fontsize=21, color=INK, va="bottom", linespacing=1.4)
    for i, color in enumerate([TRUE, AVERAGED, GAP]):
        stripe = Rectangle((i / 3, 0), 1 / 3, 0.03, color=color, transform=figure.transFigure)
        figure.add_artist(stripe)
    return figure
