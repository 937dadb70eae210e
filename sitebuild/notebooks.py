"""From mkdocs-jupyter's page to one like the others: its cells alone, without script or style.

The plugin executes a notebook and wraps it in JupyterLab's own look, some 600 KB of it, with
addresses of other hosts. Here the cells are taken out, their formulas drawn, their ids dropped.
"""

import html
import re
from base64 import b64decode
from pathlib import Path

from bs4 import BeautifulSoup, Tag
from markdown.extensions.toc import slugify

from sitebuild import formulas, svg

JUPYTER = Path(__file__).with_name("jupyter")  # its configuration: no port, prints in one piece
_FORMULA = re.compile(r"\$\$(?P<display>.+?)\$\$|\$(?P<inline>[^$]+?)\$", re.DOTALL)
_DESCRIPTION = re.compile(r"^#   description: (.+)$", re.MULTILINE)
_DOWNLOAD = """
<p><a href="{name}.py" download>Download this notebook</a>, a Python file for Jupyter with Jupytext,
for VS Code or for plain Python.</p>
"""


def description(source: str) -> str:
    """Return what the notebook's header says of it, for previews and lists.

    Raises:
        ValueError: the header says nothing.
    """
    found = _DESCRIPTION.search(source)
    if found is None:
        raise ValueError("a notebook's header must hold a line `#   description: what it shows`")
    return found[1]


def cells(page: str, name: str) -> str:
    """Return the notebook's cells, in order, as the site's own Markdown would have come out.

    Raises:
        ValueError: it begins with no heading and answer, an output is neither text nor SVG, or a
            drawing has no caption, no alt text or colors of its own.
    """
    soup = BeautifulSoup(page, "html.parser")
    found = soup.select(".jp-RenderedMarkdown, .highlight-ipynb, .jp-OutputArea-output")
    content = "\n".join(_cell(cell, f"{name}-{place}") for place, cell in enumerate(found)).strip()
    answer = re.match(r"<h1.*?</h1>\s*<p>.*?</p>", content, re.DOTALL)
    if answer is None:
        raise ValueError(f"the notebook {name} must begin with a heading and its answer")
    return answer[0] + _DOWNLOAD.format(name=name) + content[answer.end() :]


def _cell(cell: Tag, name: str) -> str:
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
        encoded = str(_first(cell, "img")["src"]).partition("base64,")[2]
        drawing, caption = svg.inline_saved_svg(b64decode(encoded).decode(), name)
        caption = f"<figcaption>{html.escape(caption)}</figcaption>"
        return f'<figure class="gx-figure">{drawing}{caption}</figure>'
    raise ValueError(f"a notebook's output must be text or SVG, not {' '.join(map(str, classes))}")


def _words(cell: Tag) -> str:
    for link in cell.select("a.anchor-link"):
        heading = link.parent
        if heading is not None:  # with the address that the page's list of sections gives it
            link.extract()
            heading["id"] = slugify(heading.get_text(), "-")
            link["href"] = f"#{heading['id']}"
            heading.append(link)
        link["class"], link.string = "headerlink", "#"
        link["title"] = "Link to this section"
    return _FORMULA.sub(_formula, cell.decode_contents())


def _formula(match: re.Match[str]) -> str:
    tex = BeautifulSoup(match["display"] or match["inline"], "html.parser").get_text()
    drawn = formulas.render(tex, display=bool(match["display"]))
    if not match["display"]:
        return drawn
    return f'<div class="gx-formula" tabindex="0" role="group" aria-label="formula">{drawn}</div>'


def _first(cell: Tag, name: str) -> Tag:
    found = cell.find(name)
    if found is None:
        raise ValueError(f"a notebook's cell must hold <{name}>, not {str(cell)[:80]}")
    return found
