"""A figure alone, for a lecture hall: each link of the teaching page fills the window with one."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from support.pages import ROOT

from browser.checks import Watch, accessibility, figure_texts
from browser.moves import Moved, read

Blank = Callable[..., Page]
TEACH = (ROOT / "docs" / "teach.md").read_text(encoding="utf-8")
LINKS = re.findall(r"\]\((\S+)\.md\?([\w-]+)=(\S+)#show-([\w-]+)\)", TEACH)
each_link = pytest.mark.parametrize(("name", "state"), [link[1:3] for link in LINKS])
STATES = {name: ("" if where == "index" else f"{where}/", state) for where, name, state, _ in LINKS}
each_figure = pytest.mark.parametrize("name", STATES)


def opened(page: Page, home: str, name: str, state: str = "") -> None:
    """Open a figure alone, at the address of a link of the teaching page."""
    where, shown = STATES[name]
    page.goto(f"{home}{where}?{name}={state or shown}#show-{name}")


def share_of_the_window(page: Page) -> float:
    """Return how much of the window's height, or of its width, the one figure takes."""
    box, window = page.locator(".gx-figure > :target svg").bounding_box(), page.viewport_size
    if box is None or window is None:
        return 0
    return min(box["height"] / window["height"], box["width"] / window["width"])


def test_the_teaching_page_links_to_all_ten() -> None:
    assert len(LINKS) > len(STATES) == 10
    assert all(name == shown for _, name, _, shown in LINKS)


def test_a_click_opens_the_figure(blank: Blank, home: str) -> None:
    page = blank()
    page.goto(f"{home}teach/")
    page.locator("article a[href*='#show-chord']").first.click()
    page.wait_for_url("**?chord=*#show-chord", wait_until="load")
    assert share_of_the_window(page) > 0.6


@each_link
def test_a_link_opens_the_figure_in_the_state_it_names(
    blank: Blank, home: str, name: str, state: str
) -> None:
    page = blank(width=1280)
    watch = Watch(page, home)
    opened(page, home, name, state)
    assert Moved(page, name).state == read(state.split(","))
    assert share_of_the_window(page) > 0.6  # the loop leaves room for its choices
    assert figure_texts(page) == []
    assert watch.faults == []


@each_figure
def test_it_stays_alone_while_it_is_moved_and_closes(blank: Blank, home: str, name: str) -> None:
    page = blank()
    opened(page, home, name)
    figure = Moved(page, name)
    before = figure.state
    figure.press(0, "ArrowRight")
    if figure.state == before:  # it stood at its end
        figure.press(0, "ArrowLeft")
    assert figure.state != before
    moved = figure.state
    page.wait_for_timeout(400)  # by then the address has followed
    assert share_of_the_window(page) > 0.6  # the loop leaves room for its choices
    assert accessibility(page) == []
    page.get_by_role("link", name="Close").click()
    expect(page.locator(".gx-figure > :target")).to_have_count(0)
    assert figure.state == moved
    assert page.locator("h1").is_visible()


def test_all_else_is_out_of_sight_and_reach(blank: Blank, home: str) -> None:
    page = blank()
    opened(page, home, "chord")
    assert not page.locator("h1").is_visible()
    reached = set()
    for _ in range(20):
        page.keyboard.press("Tab")
        reached.add(page.evaluate(WHERE))
    assert "the figure" in reached
    assert reached <= {"the figure", "nowhere"}


WHERE = """() => {
  const focused = document.activeElement;
  if (focused === document.body) return "nowhere";
  return focused.closest(".gx-figure > :target") ? "the figure" : focused.outerHTML;
}"""


@pytest.mark.parametrize("width", [360, 1280])
def test_without_javascript_the_drawing_is_shown(blank: Blank, home: str, width: int) -> None:
    page = blank(width=width, java_script_enabled=False)
    page.goto(f"{home}learn/line/#show-two-descents")
    assert share_of_the_window(page) > 0.35
    assert page.get_by_role("link", name="Close").is_visible()
    page.goto(f"{home}learn/line/#figure-two-descents")
    assert not page.get_by_role("link", name="Close").is_visible()
