"""MkDocs hooks: what needs the whole site, or a page's address.

KaTeX's style and fonts, the scripts of the figures that move, and the engine's end.
"""

import re
import shutil
import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.livereload import LiveReloadServer
from mkdocs.structure.pages import Page
from mkdocs.utils import get_relative_url

from gradexplain.sitebuild import figures, formulas

_classes: set[str] = set()


def on_pre_build(**_: object) -> None:
    """Start a build afresh: under `serve` the process outlives many."""
    _classes.clear()
    figures.forget_code()


def on_post_page(output: str, *, page: Page, **_: object) -> str:
    """Load on each page what it holds, and no more; remember the formulas' classes.

    And name Material's search dialog, which has no name for those who cannot see it.
    """
    head = ""
    if 'class="katex"' in output:
        for names in re.findall(r'class="([^"]*)"', output):
            _classes.update(names.split())
        href = get_relative_url("assets/katex/katex.css", page.url)
        head += f'<link rel="stylesheet" href="{href}">'
    output = output.replace('role="dialog"', 'role="dialog" aria-label="Search"', 1)
    return output.replace("</head>", f"{head}{figure_scripts(output, page.url)}</head>", 1)


def figure_scripts(output: str, url: str) -> str:
    """Return a script for each kind of moving figure on the page, and the one they share."""
    tags = re.findall(r'<gx-([a-z-]+) class="gx-moving"', output)
    names = [tag.replace("-", "_") for tag in dict.fromkeys(tags)]
    files = [f"assets/figures/{name}.js" for name in (["figure", *names] if names else [])]
    sources = [get_relative_url(file, url) for file in files]
    return "".join(f'<script type="module" src="{source}"></script>' for source in sources)


def on_post_build(config: MkDocsConfig, **_: object) -> None:
    """Write KaTeX's style sheet and the fonts that the site's formulas use."""
    if not _classes:
        return
    folder = Path(config.site_dir) / "assets" / "katex"
    css, fonts = formulas.used_css(_classes)
    (folder / "fonts").mkdir(parents=True, exist_ok=True)
    (folder / "katex.css").write_text(css, encoding="utf-8")
    shutil.copy(formulas.KATEX / "LICENSE", folder)
    for font in fonts:
        shutil.copy(formulas.KATEX / "fonts" / font, folder / "fonts")


def on_serve(server: LiveReloadServer, **_: object) -> LiveReloadServer:
    """Rebuild when the package changes, not only when a page does."""
    server.watch("gradexplain")
    sys.dont_write_bytecode = True  # or importing what was edited would look like another edit
    return server


def on_shutdown(**_: object) -> None:
    """End the JavaScript engine, also after a failed build."""
    formulas.close()
