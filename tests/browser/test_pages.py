"""Every page, in both palettes, on a phone, a tablet and a desk; and the one for a lost reader."""

import gzip
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page

from browser.checks import Watch, accessibility, figure_texts, resize, sideways, weight
from browser.server import serve
from browser.site import SITE, places

Blank = Callable[..., Page]
in_both_palettes = pytest.mark.parametrize("scheme", ["light", "dark"])
PAPER = {"light": "rgb(255, 255, 255)", "dark": "rgb(30, 33, 41)"}


@pytest.fixture
def first_view(chromium: Browser, home: str, address: str) -> Iterator[tuple[Page, Watch, int]]:
    """Open a page as somebody's first one, on a phone; return it, and how many bytes came."""
    with chromium.new_context(viewport={"width": 360, "height": 900}) as fresh:
        page = fresh.new_page()
        watch = Watch(page, home)
        yield page, watch, weight(page, home + address)


def test_nothing_is_wrong_with_the_page(first_view: tuple[Page, Watch, int], address: str) -> None:
    page, watch, bytes_sent = first_view
    assert bytes_sent <= (160_000 if address == "" else 250_000)
    assert paper(page) == PAPER["light"]
    for width in [360, 768, 1280]:
        resize(page, width)
        faults = [*sideways(page), *figure_texts(page)]
        if width == 360:
            faults += accessibility(page, colors=False)
        if width == 1280 or not address:  # but for a phone's header, which is the same on all pages
            faults += accessibility(page, structure=False)
        assert (width, faults) == (width, [])
    assert watch.faults == []


def test_everybody_can_read_its_dark_palette_too(blank: Blank, home: str, address: str) -> None:
    page = blank("dark")
    page.goto(home + address)
    assert paper(page) == PAPER["dark"]
    assert accessibility(page, structure=False) == []
    if not address:
        resize(page, 360)
        assert accessibility(page, structure=False) == []


def test_without_javascript_it_reads(blank: Blank, home: str, address: str) -> None:
    scheme = "light" if address else "dark"  # the palette is the same style on all pages
    page = blank(scheme, 360, java_script_enabled=False)
    watch = Watch(page, home)
    page.goto(home + address)
    assert paper(page) == PAPER[scheme]
    assert page.locator("h1").is_visible()
    for figure in page.locator(".gx-figure").all():
        assert figure.locator("svg").get_attribute("role") == "img"
        assert figure.locator("svg").is_visible()
        assert figure.locator("figcaption").is_visible()
        assert [bar.bounding_box() for bar in figure.locator(".gx-controls").all()] in ([], [None])
    assert sideways(page) == []
    assert figure_texts(page) == []
    assert watch.faults == []


@in_both_palettes
def test_a_lost_reader_is_shown_the_way_home(blank: Blank, scheme: str) -> None:
    root = urlsplit(places()[0]).path  # the page names what it loads from there, wherever it stands
    with serve(SITE, root) as home:
        page = blank(scheme, 360)
        watch = Watch(page, home)
        page.goto(f"{home}no/such/page/")
        assert paper(page) == PAPER[scheme]
        assert page.locator("h1").inner_text() == "There is no such page"
        for width in [360, 1280]:
            resize(page, width)
            assert (width, [*sideways(page), *accessibility(page)]) == (width, [])
        failed, status = sorted(watch.faults)
        assert failed.startswith("console: Failed to load resource: ")
        assert status == f"status 404: {home}no/such/page/"
        page.locator("a.md-logo:visible").first.click()
        page.wait_for_url(home)


def test_all_scripts_of_ours_together_are_small() -> None:
    scripts = [*SITE.glob("assets/figures/*.js"), *SITE.glob("assets/*.js")]
    assert len(scripts) > 1
    assert sum(len(gzip.compress(script.read_bytes())) for script in scripts) <= 40_000


def paper(page: Page) -> str:
    """Return the color that the page is painted on."""
    color: str = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return color
