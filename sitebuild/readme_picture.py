"""Write the README's picture, the *Pairing* figure with a palette of its own: `make picture`."""

from pathlib import Path

from sitebuild.figures.pairing import pairing
from sitebuild.svg import standalone_svg

PATH = Path(__file__).parents[1] / "docs" / "assets" / "pairing.svg"
ALT = (
    "Four points over a flat line, their errors as bars, twice. The second time the same errors"
    " stand in reverse order: every average is the same, the slope gradient is not."
)


def picture() -> str:
    """Return the picture as an SVG file's text."""
    return standalone_svg(pairing(), "pairing", ALT)


if __name__ == "__main__":
    PATH.write_text(picture(), encoding="utf-8", newline="\n")
