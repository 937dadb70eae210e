"""What can be wrong with a page in a browser. Each check returns its findings, one a line."""

from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import ConsoleMessage, Page, Request, Response

_SIDEWAYS = """() => {
  const room = document.documentElement.clientWidth, page = document.documentElement.scrollWidth;
  const contained = element => {
    const parent = element.parentElement;
    return parent !== document.body
      && (getComputedStyle(parent).overflowX !== "visible" || contained(parent));
  };
  const wide = page > room ? [...document.body.querySelectorAll("*")] : [];
  return wide.filter(element => element.getBoundingClientRect().right > room && !contained(element))
    .map(element => `${page} px wide in ${room}: ${element.outerHTML.slice(0, 120)}`);
}"""

# A text's box is as high as its font asks; the letters themselves leave a little of it free.
_TEXTS = """() => [...document.querySelectorAll(".gx-figure svg")].flatMap(svg => {
  const frame = svg.getBoundingClientRect(), faults = [];
  const boxes = [...svg.querySelectorAll("text")].flatMap(text => {
    const box = text.getBoundingClientRect(), spare = box.height * 0.12;
    const shown = text.textContent.trim() && box.width;
    return shown ? [{ words: text.textContent, left: box.left, right: box.right,
      top: box.top + spare, bottom: box.bottom - spare }] : [];
  });
  boxes.forEach((a, i) => {
    if (a.left < frame.left - 1 || a.right > frame.right + 1
        || a.top < frame.top - 1 || a.bottom > frame.bottom + 1)
      faults.push(`"${a.words}" leaves its figure`);
    if (a.left < 0 || a.right > document.documentElement.clientWidth)
      faults.push(`"${a.words}" leaves the window`);
    for (const b of boxes.slice(i + 1))
      if (a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom)
        faults.push(`"${a.words}" touches "${b.words}"`);
  });
  return faults;
})"""

# Pointer, focus and the like come and go: each rule is tried as if they were there.


class Watch:
    """Listens to a page from before it is opened: what it complains of, and whom it asks."""

    def __init__(self, page: Page, home: str) -> None:
        """Listen to `page`; all that it asks for must lie below `home`."""
        self.home = home
        self.faults: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.faults.append(f"error: {error.message}"))
        page.on("request", self._request)
        page.on("requestfailed", lambda request: self.faults.append(f"failed: {request.url}"))
        page.on("response", self._response)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.faults.append(f"console: {message.text}")

    def _request(self, request: Request) -> None:
        if not request.url.startswith((self.home, "data:", "blob:")):
            self.faults.append(f"foreign: {request.url}")

    def _response(self, response: Response) -> None:
        if response.status >= 400:
            self.faults.append(f"status {response.status}: {response.url}")


def resize(page: Page, width: int) -> None:
    """Make the window so wide, and wait until nothing glides any more."""
    page.set_viewport_size({"width": width, "height": 900})
    page.evaluate("new Promise(requestAnimationFrame)")
    still(page)


def still(page: Page) -> None:
    """Wait until nothing glides any more."""
    page.evaluate("Promise.allSettled(document.getAnimations().map(gliding => gliding.finished))")


def sideways(page: Page) -> list[str]:
    """Say what makes the page scroll from side to side, if it does."""
    found: list[str] = page.evaluate(_SIDEWAYS)
    return found


def figure_texts(page: Page) -> list[str]:
    """Name each text of a figure that touches another, or is cut off."""
    found: list[str] = page.evaluate(_TEXTS)
    return found


#: What passes need not be listed in full: that takes half of the time. No rule needs what preloads.
_VIOLATIONS_ALONE = {"resultTypes": ["violations"], "selectors": False, "preload": False}


def accessibility(page: Page, *, colors: bool = True, structure: bool = True) -> list[str]:
    """Name each violation of axe's rules, with the first place where it is.

    The contrast of colors takes most of the time, and depends on the palette alone.
    """
    rules = {"rules": {"color-contrast": {"enabled": colors}}}
    asked = rules if structure else {"runOnly": ["color-contrast"]}
    violations = Axe().run(page, options={**asked, **_VIOLATIONS_ALONE}).response["violations"]
    return [f"{found['id']}: {found['nodes'][0]['html'][:200]}" for found in violations]


def weight(page: Page, address: str) -> int:
    """Return how many bytes come over the wire, headers included, when the address is opened."""
    sizes = []
    page.on("requestfinished", lambda request: sizes.append(request.sizes()))
    page.goto(address, wait_until="networkidle")
    return sum(size["responseBodySize"] + size["responseHeadersSize"] for size in sizes)
