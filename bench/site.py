"""Where a cold build of the site spends its time, beside a bare build of the same Markdown.

    python -m bench.site

Three tables: the two builds, the pages, and the work by what does it. A piece of work's seconds are
its own: what it calls, and stands in the table itself, is not counted twice.
"""

import logging
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from time import perf_counter
from typing import Any

from markdown.util import Registry
from mkdocs.commands import build
from mkdocs.config import load_config
from mkdocs.plugins import PluginCollection
from mkdocs.structure.pages import Page

from sitebuild import drawings

ROOT = Path(__file__).parents[1]
Call = Callable[..., Any]
work: dict[str, float] = defaultdict(float)
pages: dict[str, float] = defaultdict(float)
_inside: list[float] = []  # of each call under way, the seconds of the calls inside it


def main() -> None:
    """Build twice, the bare site first, so that what both import is the bare one's."""
    logging.disable()
    with tempfile.TemporaryDirectory() as scratch:
        bare = seconds(lambda: build_bare(Path(scratch)))
        ours = seconds(lambda: build_ours(Path(scratch)))
    work["all else"] = ours - sum(work.values())
    both = {"a bare Material site of the same Markdown": bare, "this site, nothing cached": ours}
    for title, spent in (("builds", both), ("by page", pages), ("by what does it", work)):
        sys.stdout.write(table(title, spent))


def table(title: str, spent: dict[str, float]) -> str:
    """Return the title and what took the longest, down to a hundredth of a second."""
    ordered = sorted(spent.items(), key=lambda item: -item[1])
    rows = [f"{taken:7.2f} s  {name}" for name, taken in ordered if taken >= 0.01]
    return "\n".join([title, *rows, "", ""])


def build_bare(scratch: Path) -> None:
    """Build the same Markdown with the theme and its search alone."""
    for page in sorted((ROOT / "docs").rglob("*.md")):
        copy = scratch / "docs" / page.relative_to(ROOT / "docs")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(page.read_bytes())
    config = scratch / "mkdocs.yml"
    config.write_text("site_name: bare\ntheme:\n  name: material\n  font: false\n", "utf-8")
    build.build(load_config(str(config)))


def build_ours(scratch: Path) -> None:
    """Build this site, its figures drawn afresh, with a clock at each piece of work."""
    drawings.CACHE = scratch / "figures"
    clock_markdown()
    clock_pages()
    with open(ROOT / "mkdocs.yml", "rb") as file:  # noqa: PTH123 - MkDocs asks for a file with a name
        config = load_config(file, site_dir=str(scratch / "site"))
    clock_plugins(config.plugins)
    config.plugins.on_startup(command="build", dirty=False)
    build.build(config)
    config.plugins.on_shutdown()


def clock_plugins(plugins: PluginCollection) -> None:
    """Time each event of each plugin and of the hooks."""
    for event, methods in plugins.events.items():
        for place, method in enumerate(methods):
            origin = plugins._event_origins[method].removeprefix(f"{ROOT}/")  # noqa: SLF001
            methods[place] = clocked(method, lambda *_, name=f"{origin}: {event}", **__: name)


def clock_markdown() -> None:
    """Time each step that an extension adds to Markdown, from when it is added."""
    register = Registry.register

    def registered(self: Registry[object], item: object, name: str, priority: float) -> None:
        module = type(item).__module__
        if hasattr(item, "run"):
            item.run = clocked(item.run, lambda *_, **__: f"Markdown: {module}")
        register(self, item, name, priority)

    Registry.register = registered  # type: ignore[method-assign,assignment]


def clock_pages() -> None:
    """Time each page: its text, which a notebook is executed for, and its template."""
    build._populate_page = clocked(build._populate_page, _text, _page)  # noqa: SLF001
    build._build_page = clocked(build._build_page, lambda *_, **__: "the theme's templates", _page)  # noqa: SLF001


def _text(page: Page, *_: object, **__: object) -> str:
    return "notebooks" if page.file.src_uri.endswith(".py") else "Markdown: what is not listed"


def _page(page: Page, *_: object, **__: object) -> str:
    return page.file.src_uri


def clocked(call: Call, name: Call, page: Call | None = None) -> Call:
    """Return the call that adds its own seconds to its name, all of them to its page."""

    @wraps(call)
    def timed(*args: object, **kwargs: object) -> object:
        _inside.append(0.0)
        start = perf_counter()
        try:
            return call(*args, **kwargs)
        finally:
            spent = perf_counter() - start
            work[name(*args, **kwargs)] += spent - _inside.pop()
            if _inside:
                _inside[-1] += spent
            if page is not None:
                pages[page(*args, **kwargs)] += spent

    return timed


def seconds(run: Callable[[], None]) -> float:
    """Return how long it takes."""
    start = perf_counter()
    run()
    return perf_counter() - start


if __name__ == "__main__":
    main()
