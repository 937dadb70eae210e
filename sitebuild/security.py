"""A page's Content-Security-Policy: what a browser may load for it, and which scripts it runs.

It is a `<meta>` tag, because static hosting does not let us set headers.
"""

import re
from base64 import b64encode
from hashlib import sha256

#: What a page may load. Scripts come on top; what is not named here may come from nowhere.
SOURCES = {
    "default-src": "'none'",
    "style-src": "'self' 'unsafe-inline'",  # formulas and figures are placed by style attributes
    "img-src": "'self' data:",
    "font-src": "'self'",
    "connect-src": "'self'",  # the search index, the site map
    "worker-src": "'self'",  # the search
    "base-uri": "'none'",
    "form-action": "'none'",  # the site's forms are the search and the palette, sent nowhere
    "object-src": "'none'",
}
_SCRIPT = re.compile(r"<script\b([^>]*)>(.*?)</script>", re.DOTALL | re.IGNORECASE)
#: What is no script of the page's own: a file of the site, or data.
_NOT_RUN = re.compile(r"\bsrc=|\btype=[\"']application/(ld\+)?json")


def secured(page: str) -> str:
    """Return the page, its policy before all else that its head holds.

    Raises:
        ValueError: it has no head to put the policy in.
    """
    opening, head, rest = page.partition("<head>")
    if not head:
        raise ValueError("a page must have a <head>, to hold its security policy")
    rule = f'<meta http-equiv="Content-Security-Policy" content="{policy(page)}">'
    return opening + head + rule + rest


def policy(page: str) -> str:
    """Return what the page may load, all from the site, and of scripts in it those it has now."""
    scripts = _SCRIPT.findall(page)
    found = (text for attributes, text in scripts if not _NOT_RUN.search(attributes))
    hashes = " ".join(dict.fromkeys(map(_hash, found)))
    sources = {**SOURCES, "script-src": f"'self' {hashes}".strip()}
    return "; ".join(f"{name} {allowed}" for name, allowed in sources.items())


def _hash(script: str) -> str:
    return f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'"
