"""MkDocs hooks: what needs the whole site, and what goes into a page's head."""

import os
import re
import sys
from pathlib import Path, PurePosixPath
from posixpath import relpath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.livereload import LiveReloadServer
from mkdocs.structure.nav import Navigation
from mkdocs.structure.pages import Page
from mkdocs.utils import get_relative_url
from watchdog.observers.polling import PollingObserver

from sitebuild import (
    counts,
    drawings,
    field,
    formulas,
    glossary,
    missing,
    notebooks,
    progress,
    security,
    sharing,
    speed,
    weight,
)

_nav: list[Navigation] = []
_commands: list[str] = []


def on_startup(*, command: str, **_: object) -> None:
    """Remember what was asked for: a page that is served here reloads itself by a script."""
    _commands.append(command)


def on_pre_build(**_: object) -> None:
    """Start a build afresh: under `serve` the process outlives many."""
    _nav.clear()
    drawings.forget_code()
    if os.name == "posix":  # elsewhere a kernel has nothing but ports to talk through
        os.environ["JUPYTER_CONFIG_DIR"] = str(notebooks.JUPYTER)


def on_nav(nav: Navigation, **_: object) -> None:
    """Remember the reading order for llms.txt."""
    _nav.append(nav)


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, **_: object) -> str:
    """Write counts and recorded tables where a page asks for them, and link terms to the glossary.

    A notebook gets what front matter gives a page; found in a search, it comes after those.
    """
    docs, source = Path(config.docs_dir), PurePosixPath(page.file.src_uri)
    if source.suffix == ".py":
        page.meta["description"] = notebooks.description(markdown)
        page.meta["search"] = {"boost": 0.5}
        return markdown
    for fill in (counts.fill_counts, field.fill_field, speed.fill_speed):
        markdown = fill(markdown, docs)
    if source.parts[0] == "reference":
        return markdown
    known = glossary.terms((docs / glossary.PAGE).read_text(encoding="utf-8"))
    return glossary.link_terms(markdown, known, relpath(glossary.PAGE, source.parent))


def on_page_content(html: str, page: Page, **_: object) -> str:
    """Take a notebook's cells out of the plugin's page; show how far a reader is in `learn/`."""
    if page.file.src_uri.endswith(".py"):
        return notebooks.cells(html, page.file.name)
    return progress.bar(page) + html


def on_post_page(output: str, *, page: Page, config: MkDocsConfig, **_: object) -> str:
    """Complete the page's head: what previews show, and what the page holds needs, and no more."""
    sharing.write_card(page, config)
    head = sharing.head(page, config) + figure_scripts(output, page.url)
    return _finished(output.replace("</head>", f"{head}</head>", 1))


def on_post_template(output: str, *, template_name: str, config: MkDocsConfig, **_: object) -> str:
    """Complete the page for addresses that lead nowhere."""
    if template_name != "404.html":
        return output
    return _finished(missing.filled(output, config))


def _finished(page: str) -> str:
    """Name Material's search dialog for those who cannot see it; then nothing may come into it."""
    page = weight.lighten(page)
    page = page.replace('role="dialog"', 'role="dialog" aria-label="Search"', 1)
    return page if "serve" in _commands else security.secured(page)


def figure_scripts(output: str, url: str) -> str:
    """Return a script for each kind of moving figure on the page, and the one they share."""
    tags = re.findall(r'<gx-([a-z-]+) class="gx-moving"', output)
    names = [tag.replace("-", "_") for tag in dict.fromkeys(tags)]
    files = [f"assets/figures/{name}.js" for name in (["figure", *names] if names else [])]
    sources = [get_relative_url(file, url) for file in files]
    script = '<script type="module" fetchpriority="low" src="{}"></script>'
    return "".join(script.format(source) for source in sources)


def on_post_build(config: MkDocsConfig, **_: object) -> None:
    """Write llms.txt and the site's one style sheet, and remove what nothing asks for."""
    site = Path(config.site_dir)
    (site / "llms.txt").write_text(sharing.llms_txt(_nav[-1], config), encoding="utf-8")
    weight.finish(site, [str(name) for name in config.extra_css])


def on_serve(server: LiveReloadServer, *, config: MkDocsConfig, **_: object) -> LiveReloadServer:
    """Rebuild when the package or a figure changes too; and look ten times a second."""
    pages = [config.docs_dir, str(config.config_file_path)]
    for path in pages:
        server.unwatch(path)
    server.observer = PollingObserver(timeout=0.1)
    server.build_delay = 0
    for path in [*pages, "gradexplain", "sitebuild/figures"]:
        server.watch(path)
    sys.dont_write_bytecode = True  # or importing what was edited would look like another edit
    return server


def on_shutdown(**_: object) -> None:
    """End the JavaScript engine, also after a failed build."""
    formulas.close()
