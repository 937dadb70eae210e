"""The Content-Security-Policy of every built page: from the site alone, no script but its own."""

import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import pytest

from sitebuild import steps
from sitebuild.security import policy, secured
from sitebuild.site import Site

DATA = {"application/json", "application/ld+json"}


class Head(HTMLParser):
    """What of a page its policy is about, read as a browser would, not as the hook does."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.policies: list[str] = []
        self.before: list[str] = []  # tags above the first policy
        self.scripts: list[str] = []  # the text of each script that runs in the page
        self.inline: list[str] = []  # handlers and addresses that hold code
        self._text: list[str] | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if given.get("http-equiv", "").lower() == "content-security-policy":
            self.policies.append(given["content"])
        elif not self.policies:
            self.before.append(tag)
        if tag == "script" and "src" not in given and given.get("type") not in DATA:
            self._text = []
        code = [n for n, value in given.items() if n[:2] == "on" or value[:11] == "javascript:"]
        self.inline += [f"{tag} {name}" for name in code]

    def handle_data(self, data: str) -> None:
        if self._text is not None:
            self._text.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "script" and self._text is not None:
            self.scripts.append("".join(self._text))
            self._text = None


def faults(page: str) -> list[str]:
    """Say what of the page its policy would block, or lets through though it should not."""
    head = Head(page)
    if len(head.policies) != 1 or head.before != ["html", "head"]:
        return [f"{len(head.policies)} policies, the first after {head.before}"]
    found = [f"runs in place: {place}" for place in head.inline]
    rules = dict(rule.strip().split(" ", 1) for rule in head.policies[0].split(";"))
    if rules["default-src"] != "'none'" or "unsafe" in rules["script-src"]:
        found.append(f"too much is allowed: {head.policies[0]}")
    if re.search(r"https?:|\*|blob:", head.policies[0]):
        found.append(f"another host is allowed: {head.policies[0]}")
    present = {f"'sha256-{hashed(script)}'" for script in head.scripts}
    allowed = set(rules["script-src"].split()) - {"'self'"}
    return found + [f"differ: {one}" for one in sorted(present ^ allowed)]


def hashed(script: str) -> str:
    return b64encode(sha256(script.encode()).digest()).decode()


def test_every_page_has_a_policy_that_allows_its_own_scripts_and_no_other(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert site / "404.html" in pages
    assert any("lab" in path.parts for path in pages)
    for path in pages:
        page = path.read_text("utf-8")
        assert faults(page) == [], path
        assert len(Head(page).scripts) >= 3, path  # Material's, so that the check had work
        assert page.encode().index(b'<meta charset="utf-8">') < 1024, path  # where a browser looks


def test_what_the_policy_would_block_or_let_through_is_noticed(site: Path) -> None:
    page = (site / "index.html").read_text("utf-8")
    script = Head(page).scripts[0]
    for old, new in [
        (script, f"{script} "),
        ("</body>", "<script>alert(1)</script></body>"),
        ("</body>", '<img src="x.png" onerror="alert(1)"></body>'),
        ("</body>", '<a href="javascript:alert(1)">x</a></body>'),
        ("script-src ", "script-src 'unsafe-inline' "),
        ("script-src ", "script-src https: "),
        ("default-src 'none'", "default-src 'self'"),
        ("img-src 'self'", "img-src *"),
        ("<head>", "<head><script>alert(1)</script>"),
        ('http-equiv="Content-Security-Policy"', 'name="policy"'),
    ]:
        assert old in page
        assert faults(page.replace(old, new, 1)) != [], (old, new)


def test_the_whole_policy() -> None:
    scripts = '<script src="a.js"></script><script>one()</script><script>one()</script>'
    data = '<script type="application/ld+json">{}</script>'
    data += '<script id="c" type="application/json">{}</script>'
    assert policy(scripts + data) == (
        "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "font-src 'self'; connect-src 'self'; worker-src 'self'; base-uri 'none'; "
        "form-action 'none'; object-src 'none'; "
        "script-src 'self' 'sha256-HR7iaask9daLMRRskMI++QeJtjWDOjyPA6lGzYGzKW4='"
    )
    assert policy("<p>no script</p>").endswith("; script-src 'self'")
    assert policy("<SCRIPT>one()</SCRIPT>") == policy(scripts)


def test_a_page_without_a_head_stops_the_build() -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        secured("<p>no head</p>")
    assert str(caught.value) == "a page must have a <head>, to hold its security policy"


@pytest.mark.parametrize("served", [False, True])
def test_a_served_page_may_reload_itself(*, served: bool) -> None:
    run = steps.HTML["security"].run
    assert run is not None
    page = run("<head></head>", "", Site("a site", "/", "", (), served))
    assert ("Content-Security-Policy" in page) is not served
