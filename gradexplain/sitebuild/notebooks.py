"""From mkdocs-jupyter's page to one like the others: its cells alone, without script or style.

The plugin executes a notebook and wraps it in JupyterLab's own look, some 600 KB of it, with
addresses of other hosts. Here the cells are taken out, their formulas drawn, their ids dropped.
"""

import re

from bs4 import BeautifulSoup, Tag

from gradexplain.figures.style import PALETTE
from gradexplain.sitebuild import formulas

_FORMULA = re.compile(r"\$\$(?P<display>.+?)\$\$|\$(?P<inline>[^$]+?)\$", re.DOTALL)


def cells(page: str) -> str:
    """Return the notebook's cells, in order, as the site's own Markdown would have come out.

    Raises:
        ValueError: there is no cell, or an output is of a kind that the site cannot show.
    """
    soup = BeautifulSoup(page, "html.parser")
    found = soup.select(".jp-RenderedMarkdown, .highlight-ipynb, .jp-OutputArea-output")
    if not found:
        raise ValueError("the notebook must have a cell, but the plugin's page has none")
    return "\n".join(_cell(cell) for cell in found)


def _cell(cell: Tag) -> str:
    classes = cell.get_attribute_list("class")
    if "jp-RenderedMarkdown" in classes:
        return _words(cell)
    if "highlight-ipynb" in classes:
        code = _first(cell, "pre").decode_contents().removeprefix("<span></span>")
        return f'<div class="highlight"><pre><span></span><code>{code.strip()}\n</code></pre></div>'
    if "jp-RenderedText" in classes:
        text = _first(cell, "pre").decode_contents()
        return f'<div class="highlight gx-output"><pre><code>{text}</code></pre></div>'
    if "jp-RenderedSVG" in classes:
        return f'<figure class="gx-figure">{_drawing(str(_first(cell, "svg")))}</figure>'
    raise ValueError(f"a notebook's output must be text or SVG, not {' '.join(map(str, classes))}")


def _words(cell: Tag) -> str:
    for link in cell.select("a.anchor-link"):
        link["class"], link.string = "headerlink", "#"
        link["title"] = "Link to this section"
    return _FORMULA.sub(_formula, cell.decode_contents())


def _formula(match: re.Match[str]) -> str:
    tex = BeautifulSoup(match["display"] or match["inline"], "html.parser").get_text()
    drawn = formulas.render(tex, display=bool(match["display"]))
    if not match["display"]:
        return drawn
    return f'<div class="gx-formula" tabindex="0" role="group" aria-label="formula">{drawn}</div>'


def _drawing(svg: str) -> str:
    for color, variable in PALETTE.items():
        svg = svg.replace(color, f"var({variable})")
    return svg


def _first(cell: Tag, name: str) -> Tag:
    found = cell.find(name)
    if found is None:
        raise ValueError(f"a notebook's cell must hold <{name}>, not {str(cell)[:80]}")
    return found
