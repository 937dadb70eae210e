"""Write the pictures that are kept in the repository: `make picture`.

The README's is the *Pairing* figure with a palette of its own; the card is shown where an address
of the site is shared.
"""

from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from gradexplain.plotting import AVERAGED, GAP, INK, MUTED, PAPER, TRUE, house
from sitebuild.figures.pairing import pairing
from sitebuild.svg import standalone_svg

ASSETS = Path(__file__).parents[1] / "docs" / "assets"
PAIRING, CARD = ASSETS / "pairing.svg", ASSETS / "card.png"
ALT = (
    "Four points over a flat line, their errors as bars, twice. The second time the same errors"
    " appear in reverse order: every average is the same, the slope gradient is not."
)


def picture() -> str:
    """Return the README's picture as an SVG file's text."""
    return standalone_svg(pairing(), "pairing", ALT)


@house
def card() -> Figure:
    """Draw a card of 1200 × 630 pixels, the size that previews ask for."""
    figure = Figure(figsize=(12, 6.3), dpi=100, facecolor=PAPER)
    figure.text(0.07, 0.84, "gradexplain", fontsize=24, color=MUTED)
    title = "Average the losses\nor the gradients?"
    figure.text(0.07, 0.74, title, fontsize=44, weight="bold", color=INK, va="top")
    lines = ["Either. What breaks is averaging before the loss:"]
    lines += ["an average forgets whose error it was."]
    figure.text(0.07, 0.14, "\n".join(lines), fontsize=27, color=INK, va="bottom", linespacing=1.4)
    for i, color in enumerate([TRUE, AVERAGED, GAP]):
        stripe = Rectangle((i / 3, 0), 1 / 3, 0.03, color=color, transform=figure.transFigure)
        figure.add_artist(stripe)
    return figure


if __name__ == "__main__":
    PAIRING.write_text(picture(), encoding="utf-8", newline="\n")
    card().savefig(CARD, metadata={"Software": None})
