"""What the package index shows: the README with links that hold there, and the project's addresses.

The addresses come from the environment: GITHUB_REPOSITORY, as GitHub's workflows have it, and
SITE_URL. What is not known is left out, and then the README stays as it is.
"""

import os
import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_LINK = re.compile(r"(?P<picture>!?)\[(?P<text>[^]]*)\]\((?!https?:|#)(?P<path>[^)]+)\)")


class Addresses(MetadataHookInterface):
    """Adds `readme` and `urls` to the metadata."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Fill them in."""
        readme = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        repository, site = os.environ.get("GITHUB_REPOSITORY"), os.environ.get("SITE_URL")
        version = f"v{metadata['version']}"
        metadata["readme"] = {
            "content-type": "text/markdown",
            "text": for_the_index(readme, repository, version),
        }
        metadata["urls"] = urls(repository, site)


def for_the_index(readme: str, repository: str | None, version: str) -> str:
    """Return the README with absolute links to that version, and the line that installs it."""
    if not repository:
        return readme

    def absolute(link: re.Match[str]) -> str:
        folder = "raw" if link["picture"] else "blob"
        address = f"https://github.com/{repository}/{folder}/{version}/{link['path']}"
        return f"{link['picture']}[{link['text']}]({address})"

    return _LINK.sub(absolute, readme).replace("pip install .", "pip install gradexplain")


def urls(repository: str | None, site: str | None) -> dict[str, str]:
    """Return the addresses that are known."""
    home = f"https://github.com/{repository}"
    known = {"Documentation": site} if site else {}
    return known | ({"Source": home, "Issues": f"{home}/issues"} if repository else {})
