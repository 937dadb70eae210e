"""The Content-Security-Policy in a browser: the site's own scripts run, nobody else's do."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route

from browser.checks import Watch

Blank = Callable[..., Page]
SCRIPT = "<script>window.planted = 1</script>"
PLANTED = [
    ("</body>", f"{SCRIPT}</body>"),
    ("</body>", '<img src="data:," onerror="window.planted = 1"></body>'),
    ("</body>", '<script src="data:text/javascript,window.planted = 1"></script></body>'),
    ("<script>__md_scope", "<script>window.planted = 1;__md_scope"),
    ("</body>", '<base href="https://elsewhere.invalid/"></body>'),
]


def planted(page: Page, address: str, changes: dict[str, str]) -> object:
    """Open a page whose markup is changed on its way; return whether what was planted ran."""

    def spoil(route: Route) -> None:
        text = route.fetch().text()
        for old, new in changes.items():
            assert old in text
            text = text.replace(old, new, 1)
        route.fulfill(body=text, content_type="text/html")

    page.route(address, spoil)
    page.goto(address)
    page.wait_for_load_state("networkidle")
    return page.evaluate("window.planted")


@pytest.mark.parametrize(("old", "new"), PLANTED)
def test_what_was_not_built_into_the_page_is_refused(
    blank: Blank, home: str, old: str, new: str
) -> None:
    page = blank()
    watch = Watch(page, home)
    assert planted(page, home, {old: new}) is None
    assert any("Content Security Policy" in fault for fault in watch.faults)


def test_it_is_the_policy_that_refuses_it(blank: Blank, home: str) -> None:
    removed = {'http-equiv="Content-Security-Policy"': 'name="none"'}
    assert planted(blank(), home, {**removed, "</body>": f"{SCRIPT}</body>"}) == 1


def test_what_comes_later_is_refused_and_no_one_else_is_asked(blank: Blank, home: str) -> None:
    page = blank()
    watch = Watch(page, home)
    page.goto(home)
    for attempt in [
        "document.body.appendChild(document.createElement('script')).text = 'planted = 1'",
        "fetch('https://elsewhere.invalid/').catch(() => {})",
    ]:
        watch.faults.clear()
        page.evaluate(attempt)
        assert any("Content Security Policy" in fault for fault in watch.faults), attempt
        assert not any(fault.startswith("failed: ") for fault in watch.faults)  # not even asked
    assert page.evaluate("window.planted") is None
