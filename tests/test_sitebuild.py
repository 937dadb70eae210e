"""From Markdown to HTML: numbers as links, formulas by KaTeX, figures inline."""

import hashlib
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest
from markdown import Markdown
from matplotlib.figure import Figure

from gradexplain.plotting import TRUE, canvas, house, panel
from sitebuild import drawings, formulas, svg
from sitebuild.numbers import link_numbers
from sitebuild.pictures import CARD, PAIRING, card, picture


@pytest.fixture(autouse=True, scope="module")
def _end_the_engine() -> Iterator[None]:
    yield
    formulas.close()


PAGE = """# At 0.5<!--= a -->

A half is 0.50<!--= a -->; see [0.5<!--= a --> there](x.md), from 2024.5<!--from: a source-->.

<!-- invisible-code-block: python
secret = 1
-->

```python title="a block"
a = 0.5
```

```python
>>> a
0.5
```
"""


def html(text: str) -> str:
    extensions = [
        "tables",
        "pymdownx.superfences",
        "pymdownx.highlight",
        "pymdownx.arithmatex",
        "sitebuild.numbers",
        "sitebuild.formulas",
        "sitebuild.drawings",
    ]
    configs = {"pymdownx.arithmatex": {"generic": True}}
    return Markdown(extensions=extensions, extension_configs=configs).convert(text)


# Numbers


def test_a_number_links_to_the_block_that_proves_it() -> None:
    page = html(PAGE)
    assert page.count('href="#block-1"') == 1  # not in the heading, not in the link's text
    assert '<a class="gx-number" href="#block-1"' in page
    assert 'id="block-1"' in page
    assert 'id="block-2"' in page
    assert "<h1>At 0.5</h1>" in page
    assert '<a href="x.md">0.5 there</a>' in page


def test_what_is_for_the_checks_alone_does_not_reach_the_reader() -> None:
    page = html(PAGE)
    for unseen in ("secret", "from:", "a source", "<!--"):
        assert unseen not in page
    assert "from 2024.5." in page


def test_prompts_are_told_from_code() -> None:
    linked = link_numbers(PAGE)
    assert '{ .python #block-1 title="a block" }' in linked
    assert "{ .pycon #block-2  }" in linked


def test_a_mark_that_nothing_proves_stops_the_build() -> None:
    with pytest.raises(ValueError, match=r"^line 3: no block binds nothing, for nothing$"):
        link_numbers(PAGE.replace("0.50<!--= a", "0.50<!--= nothing"))


# Formulas


def test_a_formula_is_html_and_mathml_without_script() -> None:
    page = html(r"Here $\bar x < 1$." + "\n\n$$\n\\mathrm{E}[x]\n$$\n")
    assert page.count("<math ") == 2
    assert page.count('class="katex-html" aria-hidden="true"') == 2
    assert '<div class="gx-formula" tabindex="0" role="group" aria-label="formula">' in page
    assert r"<gx-tex hidden>\bar x &lt; 1</gx-tex>" in page
    assert "<script" not in page


@pytest.mark.parametrize("tex", [r"\frac{1}{", r"\unknown", "x^1^2", "x_é"])
def test_a_formula_that_katex_refuses_stops_the_build(tex: str) -> None:
    with pytest.raises(ValueError, match=r"^KaTeX refuses the formula") as caught:
        formulas.render(tex)
    assert tex in str(caught.value).replace("\\\\", "\\")


def test_true_averaged_and_gap_have_their_colors() -> None:
    for name in ("true", "averaged", "gap"):
        assert f"gx-{name}" in formulas.render(rf"\{name}{{x}} = y")


def test_a_derivation_is_a_list_of_steps() -> None:
    page = html(
        "$$\n\\begin{align}\na &= b && \\text{rule one} \\\\\n&= c && \\text{rule two}\n"
        "\\end{align}\n$$\n"
    )
    assert page.count('role="listitem"') == 2
    assert page.count('class="gx-rule"') == 2
    with pytest.raises(ValueError, match=r"^a derivation's line must be lhs &= rhs"):
        html("$$\n\\begin{align}\na &= b && c & d \\\\ &= c && d\n\\end{align}\n$$\n")


def test_a_formula_in_a_heading_stops_the_build() -> None:
    with pytest.raises(ValueError, match=r"^a heading must hold no formula"):
        html("## Where $x$ is\n")


def test_katex_is_the_version_that_its_hashes_name() -> None:
    listed = (formulas.KATEX / "VERSION").read_text().splitlines()[1:]
    assert len(listed) > 20
    for line in listed:
        digest, name = line.split()
        found = hashlib.sha256((formulas.KATEX / name).read_bytes()).hexdigest()
        assert found == digest, name


# Figures


def test_a_figure_stands_in_the_page_with_its_caption() -> None:
    page = html("![A chord.](figure:chord)\nThe **caption**.\n")
    assert '<figure class="gx-figure" id="figure-chord">' in page
    assert 'role="img" aria-label="A chord."' in page
    assert "<figcaption>The <strong>caption</strong>.</figcaption>" in page
    assert "var(--gx-true)" in page
    assert not re.search(r"#[0-9a-f]{6}\b", page)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("![A](figure:nothing)", "figure:nothing must be drawn by sitebuild/figures/nothing.py"),
        ("![](figure:chord)", "figure:chord must have an alt text"),
        ("![A](figure:moving)", r"figure:moving must be drawn by a function moving\(\)"),
        ("See ![A](figure:chord)", "figure:chord must open a paragraph of its own"),
    ],
)
def test_a_figure_that_cannot_be_drawn_stops_the_build(text: str, said: str) -> None:
    with pytest.raises((ValueError, TypeError), match=said):
        html(text)


def test_a_drawing_is_kept_until_its_alt_text_or_code_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawings, "CACHE", tmp_path)
    first = drawings.drawing("chord", "One.")
    assert len(list(tmp_path.iterdir())) == 1
    for kept in tmp_path.iterdir():
        kept.write_text("kept")
    assert drawings.drawing("chord", "One.") == "kept"
    assert drawings.drawing("chord", "Two.") == first.replace("One.", "Two.")
    monkeypatch.setattr(drawings, "code", lambda: "other code")
    assert drawings.drawing("chord", "One.") == first


@house
def one_line(color: str) -> Figure:
    figure = canvas(50)
    panel(figure, 10, 30).plot([0, 1], [0, 1], color=color, gid="line")
    return figure


def test_an_svg_has_the_page_s_colors_and_ids_of_its_own() -> None:
    drawn = svg.inline_svg(one_line(TRUE), "name", "A line.")
    assert 'id="name-line"' in drawn
    assert f"stroke: var({svg.palette()[TRUE]})" in drawn
    assert "<metadata" not in drawn
    assert "<style" not in drawn
    assert set(re.findall(r'id="([^"]+)"', drawn)) >= set(
        re.findall(r'(?:url\(|href=")#([^")]+)', drawn)
    )


def test_a_color_outside_the_palette_stops_the_build() -> None:
    with pytest.raises(ValueError, match=r"^figure name uses the color #ff0000, which is not in"):
        svg.inline_svg(one_line("red"), "name", "A line.")


def numbers_rounded(text: str) -> str:
    """Round what another platform's last digit may change."""
    return re.sub(r"\d+\.\d+", lambda number: f"{float(number[0]):.2f}", text)


def test_the_readme_s_picture_is_the_figure_as_it_is_now() -> None:
    kept = PAIRING.read_text(encoding="utf-8")
    ET.fromstring(kept)  # noqa: S314 - our own file
    assert numbers_rounded(kept) == numbers_rounded(picture())
    assert numbers_rounded(kept.replace("−6.5", "−6.4")) != numbers_rounded(picture())


def test_the_card_has_the_size_that_previews_ask_for() -> None:
    width, height = card().get_size_inches() * card().dpi
    assert (width, height) == (1200, 630)
    assert CARD.read_bytes()[16:24] == (1200).to_bytes(4) + (630).to_bytes(4)  # as PNG says it
