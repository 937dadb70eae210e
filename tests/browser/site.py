"""The built site: where it lies, and the address of each of its pages."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

SITE = Path(__file__).parents[2] / "site"


def places() -> list[str]:
    """Return each page's whole address, from the site map; the home page's is the first."""
    site_map = SITE / "sitemap.xml"
    if not site_map.is_file():
        pytest.exit("site/ must be built before it is tested in a browser: make build", 1)
    named = ET.parse(site_map).iterfind(".//{*}loc")  # noqa: S314 - MkDocs wrote it
    return sorted(place.text or "" for place in named)


def addresses() -> list[str]:
    """Return each page's address below the home page's, which is empty."""
    return [place.removeprefix(places()[0]) for place in places()]
