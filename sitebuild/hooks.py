"""MkDocs hooks: they hand each page and the built site to the steps, and do nothing themselves."""

import os
import sys
from pathlib import Path, PurePosixPath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.livereload import LiveReloadServer
from mkdocs.structure.nav import Navigation
from mkdocs.structure.pages import Page
from watchdog.observers.polling import PollingObserver

from sitebuild import drawings, fill, formulas, notebooks, steps
from sitebuild.site import Entry, Site

_command = "build"
_nav = Navigation([], [])


def on_startup(*, command: str, **_: object) -> None:
    """Remember what was asked for: a page that is served here reloads itself by a script."""
    global _command  # noqa: PLW0603 - MkDocs hands things over one hook at a time
    _command = command


def on_pre_build(**_: object) -> None:
    """Start a build afresh: under `serve` the process outlives many."""
    drawings.forget_code()
    fill.count_checked.cache_clear()
    if os.name == "posix":  # elsewhere a kernel has nothing but ports to talk through
        os.environ["JUPYTER_CONFIG_DIR"] = str(notebooks.JUPYTER)


def on_nav(nav: Navigation, **_: object) -> None:
    """Remember the reading order."""
    global _nav  # noqa: PLW0603 - as above
    _nav = nav


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, **_: object) -> str:
    """Prepare a page. A notebook gets what front matter gives a page, and comes later in a search.

    It goes on as it is: its cells are no Markdown of ours yet.
    """
    if page.file.src_uri.endswith(".py"):
        page.meta["description"] = notebooks.description(markdown)
        page.meta["search"] = {"boost": 0.5}
        return markdown
    return steps.prepared(markdown, Path(config.docs_dir), PurePosixPath(page.file.src_uri))


def on_page_content(html: str, page: Page, **_: object) -> str:
    """Take a notebook's cells out of the plugin's page."""
    return steps.content(html, PurePosixPath(page.file.src_uri))


def on_post_build(config: MkDocsConfig, **_: object) -> None:
    """Finish the site."""
    steps.finish(Path(config.site_dir), _site(config), [str(name) for name in config.extra_css])


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


def _site(config: MkDocsConfig) -> Site:
    about = str(config.site_description)
    entries = tuple(
        Entry(
            title=str(page.title),
            address=page.url.removeprefix("./"),
            description=str(page.meta.get("description") or about),
            section=page.parent.title if page.parent else "",
        )
        for page in _nav.pages
    )
    served = _command == "serve"
    return Site(config.site_name, str(config.site_url or "/"), about, entries, served)
