"""One browser for all, one context for each palette and width."""

import shutil
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from browser.server import serve
from browser.site import SITE, addresses

QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that asks for an `address` once for each page."""
    if "address" in metafunc.fixturenames:
        names = addresses()
        metafunc.parametrize("address", names, ids=[name or "home" for name in names])


@pytest.fixture(scope="session")
def home() -> Iterator[str]:
    """Serve the built site; give the address of its home page."""
    with serve(SITE) as address:
        yield address


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Start the system's Chromium."""
    path = shutil.which("chromium")
    if path is None:
        pytest.exit("chromium must be installed (Debian: apt install chromium)", 1)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def context(chromium: Browser) -> Callable[..., BrowserContext]:
    """Give the context of a palette and a width: one for all tests, its cache stays warm."""

    @cache
    def made(scheme: str = "light", width: int = 1280, **options: Any) -> BrowserContext:
        viewport = {"width": width, "height": 900}
        return chromium.new_context(viewport=viewport, color_scheme=scheme, **options)  # type: ignore[arg-type]

    return made


@pytest.fixture
def blank(context: Callable[..., BrowserContext]) -> Iterator[Callable[..., Page]]:
    """Give empty pages, and close them after the test."""
    pages: list[Page] = []

    def opened(scheme: str = "light", width: int = 1280, **options: Any) -> Page:
        pages.append(context(scheme, width, **options).new_page())
        return pages[-1]

    yield opened
    for page in pages:
        page.close()
