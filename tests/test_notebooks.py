"""The lab's notebooks on the site: their cells alone, in the site's own look."""

import os
import re
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.pages import ROOT

from gradexplain.plotting import TRUE
from sitebuild import formulas, glossary
from sitebuild.notebooks import cells, description

NOTEBOOKS = sorted((ROOT / "docs" / "lab").glob("*.py"))
DRAWING = f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9">
<title>A &amp; B</title><metadata>
<description xmlns="http://purl.org/dc/elements/1.1/">What it shows</description></metadata>
<g id="patch_1"><path style="stroke: {TRUE}; fill: none"/></g></svg>"""
IMAGE = f'<img src="data:image/svg+xml;base64,{b64encode(DRAWING.encode()).decode()}">'
PAGE = f"""
<script src="https://elsewhere.example/x.js"></script><style>body {{ color: red }}</style>
<div class="jp-Cell" id="cell-id=1234"><div class="jp-RenderedMarkdown">
<h1 id="A-net">A net<a class="anchor-link" href="#A-net">¶</a></h1><p>Answer first.</p>
<p>Here $\\bar x &lt; 1$.</p><p>$$x$$</p></div></div>
<div class="highlight-ipynb hl-python"><pre><span></span><span class="k">import</span> x
</pre></div>
<div class="jp-RenderedText jp-OutputArea-output"><pre>1 &lt; 2</pre></div>
<div class="jp-RenderedSVG jp-OutputArea-output">{IMAGE}</div>
"""


@pytest.fixture(autouse=True, scope="module")
def _end_the_engine() -> Iterator[None]:
    yield
    formulas.close()


def test_only_the_cells_are_kept_in_the_site_s_own_look() -> None:
    page = cells(PAGE, "a_net")
    for dropped in ("<script", "<style", "<img", "cell-id", "elsewhere", "¶", "jp-", TRUE, "patch"):
        assert dropped not in page
    assert '<pre><span></span><code><span class="k">import</span> x\n</code></pre>' in page
    assert "<pre><code>1 &lt; 2</code></pre>" in page
    assert page.count("<math ") == 2
    assert page.index("<h1") < page.index("import") < page.index("1 &lt; 2") < page.index("<svg")


def test_a_heading_has_the_address_that_the_list_of_sections_gives_it() -> None:
    assert '<h1 id="a-net">A net<a class="headerlink" href="#a-net"' in cells(PAGE, "a_net")


def test_a_drawing_follows_the_palette_and_says_what_it_shows() -> None:
    page = cells(PAGE, "a_net")
    assert "stroke: var(--gx-true)" in page
    assert 'viewBox="0 0 9 9" role="img" aria-label="What it shows"' in page
    assert "</svg><figcaption>A &amp; B</figcaption></figure>" in page
    assert "<title>" not in page
    assert "metadata" not in page


def test_the_notebook_can_be_downloaded_right_below_the_answer() -> None:
    page = cells(PAGE, "a_net")
    link = '<a href="a_net.py" download>Download this notebook</a>'
    assert page.index("Answer first.") < page.index(link) < page.index("Here")


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("<p>no notebook</p>", "^the notebook a_net must begin with a heading and its answer$"),
        (
            '<div class="jp-RenderedImage jp-OutputArea-output"><img></div>',
            "^a notebook's output must be text or SVG, not jp-RenderedImage jp-OutputArea-output$",
        ),
        ('<div class="highlight-ipynb"></div>', "^a notebook's cell must hold <pre>, not"),
        (PAGE.replace("\\bar x", "\\baar x"), "^KaTeX refuses the formula"),
        (
            PAGE.replace(IMAGE, '<img src="data:image/svg+xml;base64,PHN2Zy8+">'),
            '^figure a_net-3 must be saved with metadata={"Title": a caption, "Description": an',
        ),
    ],
)
def test_a_page_that_cannot_be_shown_stops_the_build(page: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        cells(page, "a_net")


def test_a_description_comes_from_the_header() -> None:
    assert description("# ---\n# jupyter:\n#   description: Short.\n# ---\n") == "Short."
    with pytest.raises(
        ValueError, match="header must hold a line `#   description: what it shows`"
    ):
        description("# ---\n# jupyter:\n# ---\n# description: too late\n")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_short_and_ends_with_what_it_claims(path: Path) -> None:
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= 130
    assert "\n# ## What was claimed\n" in text
    assert "assert " in text.split("# %%")[-1]
    words = "".join(re.findall(r"^# %% \[markdown\]\n((?:#.*\n)+)", text, re.MULTILINE))
    assert re.findall(r"\d", words) == []  # what is computed is printed, where it is computed


@pytest.mark.parametrize(("claim", "built"), [("2 + 2 == 4", True), ("2 + 2 == 5", False)])
def test_a_false_claim_stops_the_build(claim: str, *, built: bool, tmp_path: Path) -> None:
    header = "# ---\n# jupyter:\n#   description: A sum of two numbers, and what it is.\n# ---\n"
    shown = 'print("two and two", flush=True)\nprint("make four", flush=True)\n'
    text = f"# %% [markdown]\n# # A sum\n#\n# It is four.\n\n# %%\n{shown}assert {claim}\n"
    (tmp_path / "docs" / "lab").mkdir(parents=True)
    (tmp_path / "docs" / "lab" / "a_sum.py").write_text(f"{header}\n{text}", "utf-8")
    (tmp_path / "docs" / "index.md").write_text("# Home\n", "utf-8")
    (tmp_path / "docs" / "assets").mkdir()
    (tmp_path / "docs" / "assets" / "gradexplain.css").write_text("main { margin: 0 }", "utf-8")
    (tmp_path / "docs" / "reference").mkdir()
    words = "# Terms\n\nsum { #sum }\n:   What adding gives.\n"
    (tmp_path / "docs" / glossary.PAGE).write_text(words, "utf-8")
    config = (ROOT / "mkdocs.yml").read_text("utf-8")
    nav = f"nav: [index.md, lab/a_sum.py, {glossary.PAGE}]\n"
    config = re.sub(r"nav:.*?(?=\ntheme:)", nav, config, flags=re.DOTALL)
    config = config.replace("sitebuild/hooks.py", f"{ROOT}/sitebuild/hooks.py")
    (tmp_path / "mkdocs.yml").write_text(config, "utf-8")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict"]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    said = done.stdout + done.stderr
    assert (done.returncode == 0) is built, said
    assert (f"assert {claim}" in said) is not built
    assert "WARNING" not in said
    page = tmp_path / "site" / "lab" / "a_sum" / "index.html"
    if built:  # one output, in however many pieces the kernel happened to send it
        assert "<pre><code>two and two\nmake four\n</code></pre>" in page.read_text("utf-8")
    assert not (tmp_path / ".cache").exists()  # where the plugin keeps what an edit may outdate
