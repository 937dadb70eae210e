"""The figures moved, by mouse, finger and keys: every number is Python's, wherever they stand."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from browser.checks import Watch, figure_texts
from browser.moves import CASES, STEPS, Case, Moved, pick, read, same

Blank = Callable[..., Page]
Opened = Callable[..., Moved]
POSITIONS = 20
every_figure = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])


@pytest.fixture
def opened(blank: Blank, home: str) -> Opened:
    """Open a figure's page, its state in the address if one is given."""

    def open_figure(case: Case, query: str = "", **options: Any) -> Moved:
        page = blank(**options)
        page.goto(home + case.address + query)
        return Moved(page, case.name)

    return open_figure


@pytest.fixture(scope="module")
def pages(context: Callable[..., BrowserContext], home: str) -> Iterator[Callable[..., Page]]:
    """Give pages that stay open: loading one takes longer than most tests."""
    found: dict[tuple[str, int], Page] = {}

    def at(address: str, width: int) -> Page:
        if (address, width) not in found:
            found[address, width] = context(width=width).new_page()
            found[address, width].goto(home + address)
        return found[address, width]

    yield at
    for page in found.values():
        page.close()


@pytest.fixture
def kept(pages: Callable[..., Page]) -> Opened:
    """Give a figure as it is at first, on a page that another test may have opened."""

    def keep(case: Case, query: str = "?", width: int = 1280) -> Moved:
        figure = Moved(pages(case.address, width), case.name)
        figure.page.bring_to_front()  # in the back, it is drawn once in a while
        figure.go_to(query)
        return figure

    return keep


def wrong_numbers(figure: Moved, case: Case) -> list[str]:
    """Say where the figure says another thing than Python."""
    due = case.says(figure.state)
    said = zip(due, figure.said(list(due)), due.values(), strict=True)
    return [f"{part}: {here}, not {there}" for part, here, there in said if here != there]


@every_figure
@pytest.mark.parametrize("hand", ["pointer", "keys"])
def test_every_number_is_pythons(kept: Opened, home: str, case: Case, hand: str) -> None:
    figure, rng = kept(case, width=360), np.random.default_rng(len(hand))
    watch, positions = Watch(figure.page, home), 0
    while positions < POSITIONS:
        before = figure.state
        key = "" if hand == "pointer" else pick(rng, [*STEPS])
        expected = case.hands.move(figure, rng, key)
        assert same(figure.state, expected, case.tremble), f"{figure.state}, not {expected}"
        assert wrong_numbers(figure, case) == []
        assert figure_texts(figure.page) == []
        positions += figure.state != before
    assert watch.faults == []


@pytest.mark.parametrize(
    ("case", "right", "planted"),
    [
        *[(case, *case.planted) for case in CASES],
        (CASES[0], '"−"', '"-"'),
        (CASES[0], "signed(", "signed(1 + "),
    ],
)
def test_a_wrong_number_is_noticed(
    blank: Blank, home: str, case: Case, right: str, planted: str
) -> None:
    def spoil(route: Route) -> None:
        script = route.fetch().text()
        assert right in script
        route.fulfill(body=script.replace(right, planted), content_type="text/javascript")

    page = blank()
    page.route("**/figure.js", spoil)
    page.goto(f"{home}{case.address}?{case.name}={case.other}")
    assert wrong_numbers(Moved(page, case.name), case) != []


@every_figure
def test_every_number_is_pythons_in_the_corners_too(kept: Opened, case: Case) -> None:
    figure = kept(case, width=360)
    for words in case.corners:
        figure.go_to(f"?{case.name}={words}")
        assert figure.words == words.split(",")
        assert wrong_numbers(figure, case) == []
        assert figure_texts(figure.page) == []


@every_figure
def test_at_first_it_is_the_drawing_python_made(opened: Opened, kept: Opened, case: Case) -> None:
    drawn = opened(case, java_script_enabled=False).texts
    assert sorted(opened(case).texts) == sorted(drawn)
    assert sorted(kept(case, f"?{case.name}={case.other}").texts) != sorted(drawn)


@every_figure
def test_its_coming_to_life_moves_nothing_on_the_page(
    blank: Blank, kept: Opened, home: str, case: Case
) -> None:
    def height(page: Page) -> float:
        box = page.locator(f".gx-figure:has(gx-{case.name})").bounding_box()
        return box["height"] if box else 0

    lifeless = blank(width=360)
    lifeless.route("**/figure.js", lambda route: route.abort())
    lifeless.goto(home + case.address)
    assert height(kept(case, width=360).page) == height(lifeless) > 300


@every_figure
def test_the_address_holds_its_state(opened: Opened, home: str, case: Case) -> None:
    figure, rng = opened(case, "?other=1#figure"), np.random.default_rng(1)
    while figure.state == read(figure.start):
        case.hands.move(figure, rng, pick(rng, [*STEPS]))
    state, texts = figure.state, figure.texts
    words = ",".join(figure.words)
    expect(figure.page).to_have_url(f"{home}{case.address}?other=1&{case.name}={words}#figure")
    figure.page.reload()
    assert (figure.state, figure.texts) == (state, texts)
    figure.page.locator(figure.tag).get_by_role("button", name="Reset").click()
    assert figure.state == read(figure.start)
    expect(figure.page).to_have_url(f"{home}{case.address}?other=1#figure")


@every_figure
def test_it_follows_the_address_back(kept: Opened, case: Case) -> None:
    figure = kept(case, f"?{case.name}={case.other}")
    figure.go_to("?")
    assert figure.state == read(figure.start)
    figure.page.go_back()
    figure.page.wait_for_function(
        "([tag, words]) => document.querySelector(tag).state.join() === words",
        arg=[figure.tag, case.other],
    )


@every_figure
def test_a_state_that_cannot_be_is_not_taken(kept: Opened, home: str, case: Case) -> None:
    figure = kept(case)
    watch, texts = Watch(figure.page, home), figure.texts
    for words in case.wrong:
        figure.go_to(f"?{case.name}={case.other}")
        assert figure.texts != texts
        figure.go_to(f"?{case.name}={words}")
        assert (words, figure.texts) == (words, texts)
    assert watch.faults == []


@every_figure
def test_each_button_leads_where_it_says(kept: Opened, case: Case) -> None:
    figure = kept(case, f"?{case.name}={case.other}")
    for button in figure.page.locator(f"{figure.tag} button").all():
        before, wanted = figure.words, (button.get_attribute("value") or "").split(",")
        button.click()
        assert figure.state == read([new or old for new, old in zip(wanted, before, strict=True)])
        assert wrong_numbers(figure, case) == []
        assert figure_texts(figure.page) == []


@every_figure
def test_keys_reach_every_control_and_one_sees_where_one_is(opened: Opened, case: Case) -> None:
    figure, reached = opened(case), set()
    controls = f"{figure.tag} :is(.gx-handle, button)"
    count = figure.page.locator(controls).count()
    assert count >= 2
    due = {f"{i} ringed" for i in range(count)}
    for _ in range(160):
        figure.page.keyboard.press("Tab")
        reached.add(figure.page.evaluate(FOCUSED, controls))
        if reached >= due:
            break
    assert reached >= due


FOCUSED = """controls => {
  const focused = document.activeElement, ring = focused.querySelector(".gx-ring");
  const { outlineStyle, outlineWidth } = getComputedStyle(focused);
  const ringed = ring ? getComputedStyle(ring).strokeWidth === "2.5px"
    : outlineStyle !== "none" && parseFloat(outlineWidth) >= 2;
  const place = [...document.querySelectorAll(controls)].indexOf(focused);
  return `${place} ${ringed ? "ringed" : "bare"}`;
}"""


@every_figure
def test_what_comes_of_a_move_is_announced(opened: Opened, case: Case) -> None:
    figure, rng = opened(case), np.random.default_rng(2)
    handles = figure.page.locator(f"{figure.tag} .gx-handle").all()
    told = [handle.get_attribute("aria-valuetext") for handle in handles]
    assert all(handle.get_attribute("aria-label") for handle in handles)
    assert figure.page.locator(f"{figure.tag} output").text_content() == ""
    while figure.state == read(figure.start):
        case.hands.move(figure, rng, pick(rng, [*STEPS]))
    assert [handle.get_attribute("aria-valuetext") for handle in handles] != told
    for handle in handles:
        named = [handle.get_attribute(f"aria-value{end}") for end in ("min", "now", "max")]
        values = [float(value or "nan") for value in named]
        assert values == sorted(values)
    expect(figure.page.locator(f"{figure.tag} output")).to_contain_text("averaged")


@every_figure
def test_a_finger_moves_it_sideways_and_scrolls_the_page_up(opened: Opened, case: Case) -> None:
    figure = opened(case, width=360, has_touch=True, is_mobile=True)
    figure.page.locator(f"{figure.tag} .gx-handle").first.scroll_into_view_if_needed()
    start, grip = figure.state, figure.grip(0)
    figure.swipe(grip, (grip[0] + 90 * case.room, grip[1] + 4))
    assert figure.state != start
    assert wrong_numbers(figure, case) == []
    moved, scrolled, grip = figure.state, figure.page.evaluate("scrollY"), figure.grip(0)
    figure.swipe(grip, (grip[0] + 2, grip[1] - 150))
    if case.scrolls:
        assert figure.state == moved
        assert figure.page.evaluate("scrollY") > scrolled + 50
    else:
        assert figure.state != moved
        assert figure.page.evaluate("scrollY") == scrolled
