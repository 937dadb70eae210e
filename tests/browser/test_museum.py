"""The museum's gallery: it is found, ordered and unfolded, by pointer, keys and address."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from support.pages import ROOT

from browser.checks import Watch, accessibility, sideways
from sitebuild.museum import Museum, anchor, standing

Blank = Callable[..., Page]
MUSEUM = Museum(ROOT / "docs")
BUGS = MUSEUM.bugs
ADDRESS = "practice/museum/"
SHOWN = ".gx-bug:visible"
ANY = BUGS[0]
KIND = ANY["kind"]


@pytest.fixture
def museum(blank: Blank, home: str) -> Callable[..., Page]:
    """Open the museum at an address of its own."""

    def opened(query: str = "", **options: object) -> Page:
        page = blank(**options)
        page.goto(f"{home}{ADDRESS}{query}")
        return page

    return opened


def projects(page: Page) -> list[str]:
    return page.locator(f"{SHOWN} > summary > strong").all_text_contents()


def ends(words: str) -> re.Pattern[str]:
    return re.compile(re.escape(words) + "$")


def test_at_first_it_shows_every_bug_the_newest_first(museum: Callable[..., Page]) -> None:
    page = museum()
    assert projects(page) == [bug["project"] for bug in BUGS]
    expect(page.locator(".gx-sieve output")).to_have_text(f"{len(BUGS)} of {len(BUGS)}")


def test_a_class_and_a_state_leave_those_that_have_both(museum: Callable[..., Page]) -> None:
    page = museum()
    page.get_by_label("Class").select_option(KIND)
    alike = [bug for bug in BUGS if bug["kind"] == KIND]
    assert projects(page) == [bug["project"] for bug in alike]
    page.get_by_label("State").select_option("open")
    told = MUSEUM.told["bugs"]
    both = [bug for bug in alike if standing(bug, told[bug["name"]]) == "open"]
    assert projects(page) == [bug["project"] for bug in both]
    expect(page.locator(".gx-sieve output")).to_have_text(f"{len(both)} of {len(BUGS)}")
    expect(page).to_have_url(ends(f"?kind={KIND}&state=open"))


@pytest.mark.parametrize("words", ["keras", "ROUTER moe", "DDP nanogpt", "lightning last", "dapo"])
def test_words_find_what_holds_them_all(museum: Callable[..., Page], words: str) -> None:
    page = museum()
    held = page.locator(".gx-bug").evaluate_all(
        "(bugs, words) => bugs.filter(bug => words.every(word => "
        "bug.textContent.toLowerCase().includes(word))).length",
        words.lower().split(),
    )
    page.get_by_role("search", name="Find a bug").get_by_role("searchbox").fill(words)
    assert 0 <= len(projects(page)) == held < len(BUGS)


def test_it_is_ordered_by_distance_and_by_project(museum: Callable[..., Page]) -> None:
    page = museum()
    page.get_by_label("Order").select_option("off")
    errors = sorted((bug["before"]["truth"]["error"] for bug in BUGS), reverse=True)
    shown = page.locator(SHOWN).evaluate_all("bugs => bugs.map(bug => Number(bug.dataset.off))")
    assert shown == errors
    page.get_by_label("Order").select_option("project")
    assert [name.lower() for name in projects(page)] == sorted(
        bug["project"].lower() for bug in BUGS
    )


def test_the_address_holds_what_is_asked_for(museum: Callable[..., Page]) -> None:
    page = museum(f"?by=project&kind={KIND}")
    shown = projects(page)
    assert [name.lower() for name in shown] == sorted(
        bug["project"].lower() for bug in BUGS if bug["kind"] == KIND
    )
    page.get_by_label("Class").select_option("")
    expect(page).to_have_url(ends("?by=project"))
    page.reload()
    assert len(projects(page)) == len(BUGS)
    page.get_by_label("Order").select_option("day")
    expect(page).to_have_url(ends(ADDRESS))


def test_a_word_that_is_no_choice_is_not_taken(museum: Callable[..., Page]) -> None:
    page = museum("?kind=cafe&by=price")
    assert projects(page) == [bug["project"] for bug in BUGS]


@pytest.mark.parametrize("query", ["", f"?kind={KIND}", "?find=cafe"])
def test_an_entry_s_own_address_opens_it_whatever_is_asked_for(
    museum: Callable[..., Page], query: str
) -> None:
    other = next(bug for bug in BUGS if bug["kind"] != KIND)
    page = museum(f"{query}#{anchor(other['name'])}")
    title = page.locator(f"#{anchor(other['name'])}")
    expect(title).to_be_in_viewport()
    assert title.is_visible()
    assert page.locator(".gx-bug[open]").count() == 1


def test_a_link_on_the_page_opens_an_entry(museum: Callable[..., Page]) -> None:
    page = museum()
    link = page.locator("article li a[href^='#']").first
    target = link.get_attribute("href")
    link.click()
    expect(page.locator(f"{target}")).to_be_in_viewport()


def test_keys_alone_find_and_unfold_a_bug(museum: Callable[..., Page], home: str) -> None:
    page = museum()
    watch = Watch(page, home)
    page.get_by_role("search", name="Find a bug").get_by_role("searchbox").focus()
    page.keyboard.type(ANY["project"].lower())
    page.keyboard.press("Enter")
    for _ in range(4):  # class, state, order, the first of those found
        page.keyboard.press("Tab")
    focused = "document.activeElement"
    assert page.evaluate(f"{focused}.matches('summary')")
    assert page.evaluate(f"getComputedStyle({focused}).outlineStyle") != "none"
    page.keyboard.press("Enter")
    assert page.locator(f"#{anchor(ANY['name'])}").is_visible()
    page.keyboard.press("Space")
    assert not page.locator(f"#{anchor(ANY['name'])}").is_visible()
    assert watch.faults == []


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_unfolded_it_fits_and_everybody_can_read_it(
    museum: Callable[..., Page], scheme: str, width: int
) -> None:
    page = museum(scheme=scheme, width=width)
    page.evaluate("document.querySelectorAll('.gx-bug').forEach(bug => bug.open = true)")
    assert sideways(page) == []
    if width == 360:  # a desk's page is made of the same parts
        assert accessibility(page) == []
    wide = page.locator(".gx-bug td").evaluate_all(
        "cells => cells.filter(cell => cell.getBoundingClientRect().right > innerWidth).length"
    )
    assert wide == 0


def test_without_a_script_every_bug_is_listed_and_unfolds(museum: Callable[..., Page]) -> None:
    page = museum(f"#{anchor(BUGS[5]['name'])}", width=360, java_script_enabled=False)
    assert projects(page) == [bug["project"] for bug in BUGS]
    assert not page.locator(".gx-sieve").is_visible()
    page.locator(f"{SHOWN} > summary").first.click()
    assert page.locator(f"#{anchor(ANY['name'])}").is_visible()


def test_a_phone_shows_each_tool_s_row_whole(museum: Callable[..., Page]) -> None:
    page = museum(width=360)
    table = page.locator("article table").first
    box, room = table.bounding_box(), page.locator("article").first.bounding_box()
    assert box is not None
    assert room is not None
    assert box["x"] + box["width"] <= room["x"] + room["width"] + 1
