"""What the steps know of the site: its name, its address, and its pages in reading order."""

from dataclasses import dataclass
from urllib.parse import urlsplit

#: The page that a host serves at any address that leads nowhere.
LOST = "404.html"


@dataclass(frozen=True)
class Entry:
    """A page in the reading order; its address is relative to the site's."""

    title: str
    address: str
    description: str
    section: str = ""


@dataclass(frozen=True)
class Site:
    """The whole of it; `served` while someone edits it, with a script that reloads a page."""

    name: str
    address: str
    description: str
    entries: tuple[Entry, ...]
    served: bool = False

    def entry(self, address: str) -> Entry | None:
        """Return the page at an address, if the reading order has it."""
        return next((entry for entry in self.entries if entry.address == address), None)

    def root(self, address: str) -> str:
        """Return the way from a page to the site's root: relative, where a page has one place."""
        return urlsplit(self.address).path if address == LOST else "../" * address.count("/")
