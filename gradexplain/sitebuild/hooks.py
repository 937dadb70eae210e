"""MkDocs hooks: what needs the whole site. KaTeX's style and fonts, and the engine's end."""

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
    """Link KaTeX's style sheet from pages that hold formulas, and remember what they use."""
    if 'class="katex"' not in output:
        return output
    for names in re.findall(r'class="([^"]*)"', output):
        _classes.update(names.split())
    href = get_relative_url("assets/katex/katex.css", page.url)
    return output.replace("</head>", f'<link rel="stylesheet" href="{href}"></head>', 1)


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
