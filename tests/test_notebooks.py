"""The lab's notebooks on the site: their cells alone, in the site's own look."""

import pytest

from gradexplain.figures.style import TRUE
from gradexplain.sitebuild.notebooks import cells

PAGE = f"""
<script src="https://elsewhere.example/x.js"></script><style>body {{ color: red }}</style>
<div class="jp-Cell" id="cell-id=1234"><div class="jp-RenderedMarkdown">
<h2 id="a">A<a class="anchor-link" href="#a">¶</a></h2><p>Here $\\bar x &lt; 1$.</p><p>$$x$$</p>
</div></div>
<div class="highlight-ipynb hl-python"><pre><span></span><span class="k">import</span> x
</pre></div>
<div class="jp-RenderedText jp-OutputArea-output"><pre>1 &lt; 2</pre></div>
<div class="jp-RenderedSVG jp-OutputArea-output"><svg>
<path style="stroke: {TRUE}"></path></svg></div>
"""


def test_only_the_cells_are_kept_in_the_site_s_own_look() -> None:
    page = cells(PAGE)
    for dropped in ("<script", "<style", "cell-id", "elsewhere", "¶", "jp-", TRUE):
        assert dropped not in page
    assert '<pre><span></span><code><span class="k">import</span> x\n</code></pre>' in page
    assert "<pre><code>1 &lt; 2</code></pre>" in page
    assert "stroke: var(--gx-true)" in page
    assert page.count("<math ") == 2
    assert page.index("<h2") < page.index("import") < page.index("1 &lt; 2") < page.index("<svg")


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("<p>no notebook</p>", "^the notebook must have a cell"),
        (
            '<div class="jp-RenderedImage jp-OutputArea-output"><img></div>',
            "^a notebook's output must be text or SVG, not jp-RenderedImage",
        ),
        ('<div class="highlight-ipynb"></div>', "^a notebook's cell must hold <pre>, not"),
        (PAGE.replace("\\bar x", "\\baar x"), "^KaTeX refuses the formula"),
    ],
)
def test_a_page_that_cannot_be_shown_stops_the_build(page: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        cells(page)
