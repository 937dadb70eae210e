"""MkDocs hooks: what needs the whole site, and what goes into a page's head."""

import os
import re
import shutil
import sys
from pathlib import Path, PurePosixPath
from posixpath import relpath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.livereload import LiveReloadServer
from mkdocs.structure.nav import Navigation
from mkdocs.structure.pages import Page
from mkdocs.utils import get_relative_url

from gradexplain.sitebuild import counts, figures, formulas, glossary, notebooks, sharing, speed

_classes: set[str] = set()
_nav: list[Navigation] = []


def on_pre_build(**_: object) -> None:
    """Start a build afresh: under `serve` the process outlives many."""
    _classes.clear()
    _nav.clear()
    figures.forget_code()
    if os.name == "posix":  # elsewhere a kernel has nothing but ports to talk through
        os.environ["JUPYTER_CONFIG_DIR"] = str(notebooks.JUPYTER)


def on_nav(nav: Navigation, **_: object) -> None:
    """Remember the reading order for llms.txt."""
    _nav.append(nav)


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, **_: object) -> str:
    """Write counts and speed where a page asks for them, and link terms to the glossary.

    A notebook gets what front matter gives a page; found in a search, it comes after those.
    """
    docs, source = Path(config.docs_dir), PurePosixPath(page.file.src_uri)
    if source.suffix == ".py":
        page.meta["description"] = notebooks.description(markdown)
        page.meta["search"] = {"boost": 0.5}
        return markdown
    markdown = speed.fill_speed(counts.fill_counts(markdown, docs), docs)
    if source.parts[0] == "reference":
        return markdown
    known = glossary.terms((docs / glossary.PAGE).read_text(encoding="utf-8"))
    return glossary.link_terms(markdown, known, relpath(glossary.PAGE, source.parent))


def on_page_content(html: str, page: Page, **_: object) -> str:
    """Take a notebook's cells out of the plugin's page."""
    return notebooks.cells(html, page.file.name) if page.file.src_uri.endswith(".py") else html


def on_post_page(output: str, *, page: Page, config: MkDocsConfig, **_: object) -> str:
    """Complete the page's head: what previews show, and what the page holds needs, and no more.

    And name Material's search dialog, which has no name for those who cannot see it.
    """
    sharing.write_card(page, config)
    head = sharing.head(page, config) + figure_scripts(output, page.url)
    if 'class="katex"' in output:
        for names in re.findall(r'class="([^"]*)"', output):
            _classes.update(names.split())
        href = get_relative_url("assets/katex/katex.css", page.url)
        # Before the first formula, not in the head: what stands above need not wait for it.
        style = f'<link rel="stylesheet" href="{href}">'
        output = output.replace("<gx-math", f"{style}<gx-math", 1)
    if 'class="doc ' not in output:
        output = re.sub(r'\s*<link rel="stylesheet" href="[^"]*_mkdocstrings\.css">', "", output)
    output = output.replace('role="dialog"', 'role="dialog" aria-label="Search"', 1)
    return output.replace("</head>", f"{head}</head>", 1)


def figure_scripts(output: str, url: str) -> str:
    """Return a script for each kind of moving figure on the page, and the one they share."""
    tags = re.findall(r'<gx-([a-z-]+) class="gx-moving"', output)
    names = [tag.replace("-", "_") for tag in dict.fromkeys(tags)]
    files = [f"assets/figures/{name}.js" for name in (["figure", *names] if names else [])]
    sources = [get_relative_url(file, url) for file in files]
    return "".join(f'<script type="module" src="{source}"></script>' for source in sources)


def on_post_build(config: MkDocsConfig, **_: object) -> None:
    """Write llms.txt, and KaTeX's style sheet with the fonts that the site's formulas use."""
    site = Path(config.site_dir)
    (site / "llms.txt").write_text(sharing.llms_txt(_nav[-1], config), encoding="utf-8")
    if not _classes:
        return
    folder = site / "assets" / "katex"
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
