"""Before a release: the tag, CITATION.cff and CHANGELOG.md agree with pyproject.toml's version."""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]


def faults(tag: str | None, root: Path) -> list[str]:
    """Say what disagrees with the version; without a tag the changes may be unreleased yet."""
    return list(_faults(tag, root))


def _faults(tag: str | None, root: Path) -> Iterator[str]:
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    version = project["version"]
    if tag is not None and tag != f"v{version}":
        yield f"the tag must be v{version}, not {tag}"
    cited = _first(r"^version: (.*)$", root / "CITATION.cff")
    if cited != version:
        yield f"CITATION.cff must have the version {version}, not {cited}"
    newest = _first(r"^## (.*)$", root / "CHANGELOG.md")
    dates = r"\d{4}-\d\d-\d\d" + ("" if tag else "|unreleased")
    if not re.fullmatch(f"{re.escape(version)}, ({dates})", newest):
        yield f"CHANGELOG.md must begin with {version} and a date, not with {newest}"


def _first(pattern: str, path: Path) -> str:
    found = re.search(pattern, path.read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found else "nothing"


if __name__ == "__main__":
    found = faults(sys.argv[1], ROOT)
    sys.stderr.writelines(f"{fault}\n" for fault in found)
    sys.exit(bool(found))
