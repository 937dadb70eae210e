"""What a reader takes along or can't bear: copied code runs, and nothing moves for who asks so."""

import ast
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route

from browser.moves import CASES, Case
from sitebuild.page import Page as Source

Blank = Callable[..., Page]
DOCS = Path(__file__).parents[2] / "docs"
CODE = ":is(.language-python, .language-pycon):not(.doc-signature)"
#: Scroll to each block, since its button comes when it is seen, press that, and take what it gave.
_COPIED = """async code => {
  const found = [], frame = () => new Promise(requestAnimationFrame);
  for (const block of document.querySelectorAll(code)) {
    if (!block.checkVisibility()) continue;  // within an answer that is folded
    block.scrollIntoView({ block: "center", behavior: "instant" });
    let button = null, text = "";
    for (let frames = 0; !button && frames < 600; frames++, await frame())
      button = block.querySelector("button.md-code__button");
    await navigator.clipboard.writeText("");
    button.click();
    for (let frames = 0; !text && frames < 600; frames++, await frame())
      text = await navigator.clipboard.readText();
    found.push(text);
  }
  return found;
}"""
#: Everything of a figure that glides, with how long it takes.
FIGURES, MATERIAL_S = ".gx-figure, .gx-figure *", ".md-header *"
_GLIDING = """places => [...document.querySelectorAll(places)].flatMap(part => {
  const { transitionDuration, animationDuration } = getComputedStyle(part);
  const glides = `${transitionDuration}, ${animationDuration}`.split(", ").some(parseFloat);
  return glides ? [part.outerHTML.slice(0, 80)] : [];
})"""


@pytest.fixture
def reader(blank: Blank) -> Page:
    """Return an empty page that may use the clipboard."""
    return blank(permissions=("clipboard-read", "clipboard-write"))


def copied(page: Page) -> list[str]:
    """Press the button of each block of Python, the first by hand, and return what each gave."""
    block = page.locator(f"{CODE}:visible").first
    if block.count():
        block.scroll_into_view_if_needed()
        block.locator("button.md-code__button").click()
    found: list[str] = page.evaluate(_COPIED, CODE)
    return found


def lines(code: str) -> list[str]:
    return [line.rstrip() for line in code.splitlines() if line.strip()]


def test_copied_code_is_python_without_prompts_and_outputs(
    reader: Page, home: str, address: str
) -> None:
    reader.goto(home + address)
    reader.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    found = copied(reader)
    for code in found:
        assert ast.parse(code).body
        assert ">>>" not in code
    source = DOCS / f"{address.rstrip('/') or 'index'}.md"
    if source.is_file() and address != "reference/api/":
        written = [
            block.source for block in Source(source.read_text("utf-8")).blocks if block.visible
        ]
        assert [lines(code) for code in found] == [lines(code) for code in written]


def test_prompts_and_outputs_would_be_noticed(reader: Page, home: str) -> None:
    reader.goto(f"{home}learn/linearity/")
    reader.add_style_tag(content=".gp, .go { display: inline !important }")
    assert any(code.startswith(">>> ") for code in copied(reader))
    reader.add_style_tag(content="[data-md-copying] .gp { display: none !important }")
    with pytest.raises(SyntaxError):
        [ast.parse(code) for code in copied(reader)]


def test_code_that_scrolls_can_be_reached_by_keyboard_before_it_is_seen(
    blank: Blank, home: str
) -> None:
    page = blank(width=360)
    page.goto(f"{home}practice/check-your-loop/")
    wide, reached, below = page.evaluate("""() => {
      const code = [...document.querySelectorAll("pre > code")];
      const blocks = code.filter(one => !one.closest("details:not([open])"));
      return [
        blocks.map(one => one.scrollWidth > one.clientWidth),
        blocks.map(one => one.tabIndex === 0),
        blocks.filter(one => one.getBoundingClientRect().top > innerHeight).length,
      ];
    }""")
    assert reached == wide
    assert below > len(wide) / 2
    assert any(wide)
    assert not all(wide)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_nothing_glides_for_those_who_ask_for_less_motion(
    blank: Blank, home: str, case: Case
) -> None:
    page = blank(reduced_motion="reduce")
    page.goto(f"{home}{case.address}?{case.name}={case.other}")
    assert page.evaluate(_GLIDING, FIGURES) == []


def without_regard(page: Page, *, ours: bool) -> None:
    """Let what Material moves move for everybody, and what is ours too, if so asked."""

    def spoil(route: Route) -> None:
        style = route.fetch().text()
        if ours:
            style = style.replace("(prefers-reduced-motion: no-preference)", "all")
        style = style.replace("(prefers-reduced-motion)", "(width < 0px)")
        route.fulfill(body=style, content_type="text/css")

    page.route("**/site.css", spoil)


def test_our_figures_stand_still_without_material_s_help_too(blank: Blank, home: str) -> None:
    page = blank(reduced_motion="reduce")
    without_regard(page, ours=False)
    page.goto(home)
    assert page.evaluate(_GLIDING, MATERIAL_S) != []
    gliding = page.evaluate(_GLIDING, FIGURES)
    assert not any("pairing-traded" in part or "gx-handle" in part for part in gliding)


def test_motion_without_regard_for_them_would_be_noticed(blank: Blank, home: str) -> None:
    page = blank(reduced_motion="reduce")
    without_regard(page, ours=True)
    page.goto(home)
    assert any("pairing-traded" in part for part in page.evaluate(_GLIDING, FIGURES))


@pytest.mark.parametrize("pasted", ["no_sync: which?", "labels -100"])
def test_a_pasted_question_is_searched_for_its_words(reader: Page, home: str, pasted: str) -> None:
    reader.goto(home)
    box = reader.locator("[data-md-component=search-query]")
    box.click()
    box.press_sequentially(pasted)
    reader.locator(".md-search-result__item").first.wait_for()
