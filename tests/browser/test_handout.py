"""The page for a class prints as its handout: two sheets of A4, without the solutions."""

import re
from collections.abc import Callable

from playwright.sync_api import Page

Blank = Callable[..., Page]


def sheets(page: Page) -> int:
    return len(re.findall(rb"/Type\s*/Page\b", page.pdf(prefer_css_page_size=True)))


def test_the_page_for_a_class_prints_as_its_handout(blank: Blank, home: str) -> None:
    page = blank()
    page.goto(f"{home}teach/")
    assert sheets(page) == 2
    page.emulate_media(media="print")
    assert page.locator("#handout ~ p").first.is_visible()
    assert page.locator("#exercises").is_visible()
    unseen = page.locator("#handout, #the-hour, #reuse, details")
    assert unseen.count() == 3 + 6
    assert not any(part.is_visible() for part in unseen.all())


def test_a_third_sheet_would_be_noticed(blank: Blank, home: str) -> None:
    page = blank()
    page.goto(f"{home}teach/")
    page.add_style_tag(content="#exercises { break-before: page !important }")
    assert sheets(page) == 3


def test_another_page_prints_whole(blank: Blank, home: str) -> None:
    page = blank()
    page.goto(f"{home}learn/line/")
    page.emulate_media(media="print")
    assert page.locator("h1").is_visible()
    assert page.locator("article table, article figure").first.is_visible()
