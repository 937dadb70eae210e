"""The palette stands in a style sheet, in the drawings' style and in CONTRIBUTING: as one."""

import re

import pytest
from support.pages import ROOT

from sitebuild import svg


def palette(css: str) -> dict[str, tuple[str, str]]:
    """Return each variable's color in light and in dark."""
    found = re.findall(r"(--gx-\w+): light-dark\((#\w{6}), (#\w{6})\);", css)
    return {name: (light, dark) for name, light, dark in found}


SHEET = (ROOT / "docs" / "assets" / "gradexplain.css").read_text(encoding="utf-8")


def test_drawings_and_pages_have_the_same_colors() -> None:
    drawn = {name: (light, svg.DARK[name]) for light, name in svg.palette().items()}
    assert drawn == {name: palette(SHEET)[name] for name in drawn}


@pytest.mark.parametrize("name", ["true", "averaged", "gap"])
def test_contributing_names_the_colors_that_mean_something(name: str) -> None:
    table = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    light, dark = palette(SHEET)[f"--gx-{name}"]
    assert re.search(rf"^\| \w+ \| (the )?{name} \| `{light}` \| `{dark}` \|", table, re.MULTILINE)


def test_another_color_in_the_style_sheet_is_noticed() -> None:
    css = SHEET.replace("#0067a5, ", "#0067a6, ", 1)
    assert palette(css)["--gx-true"] != palette(SHEET)["--gx-true"]
