"""The statements that Coq checks, written under the pages' claims at build.

`<!--coq: name-->` becomes a fold with the statement of that name and the definitions that it uses,
word for word from proofs/Statements.v. `proofs/theorems.toml` ties each one to its page's claim.
"""

import re
from hashlib import sha256
from pathlib import Path
from posixpath import relpath

PROOFS = Path("proofs")
MEANING = "reference/checked.md"
_HOW_TO_READ = (
    "Read `f x` as f(x), `fun i => x i` as the map from i to x(i), `A -> B -> C` as *if A and B,"
    " then C*, `S l` as l + 1, and `I t` as *t is in I*."
)
_PLACE = re.compile(r"^(?P<indent> *)<!--coq: *(?P<name>\w*) *-->$", re.MULTILINE)
_COMMENT = re.compile(r"\(\*\*(?:(?!\*\)).)*\*\)\n", re.DOTALL)
_PAGE = re.compile(r"(?<=\(\*\* )docs/\S+\.md(?:\. |(?= \*\)))")
_DEFINITION = re.compile(
    rf"(?P<whole>(?:{_COMMENT.pattern})?^(?:Definition|Fixpoint) (?P<name>\w+)\b.*?\.$)",
    re.DOTALL | re.MULTILINE,
)


def fill_statements(page: str, docs: Path, source: str) -> str:
    """Return the page with each statement that it asks for, in a fold.

    Raises:
        ValueError: a place asks for something that Statements.v does not define.
    """

    def fill(place: re.Match[str]) -> str:
        lines = _fold(place["name"], docs.parent / PROOFS, relpath(MEANING, Path(source).parent))
        return "\n".join(place["indent"] + line if line else "" for line in lines)

    return _PLACE.sub(fill, page)


def asked_for(page: str) -> list[str]:
    """Return the names of the statements that a page shows."""
    return [place["name"] for place in _PLACE.finditer(page)]


def statement(name: str, statements: str) -> str:
    """Return a definition of Statements.v after all that it uses.

    Raises:
        ValueError: there is no such definition.
    """
    known = {found["name"]: found["whole"] for found in _DEFINITION.finditer(statements)}
    if name not in known:
        raise ValueError(f"the statement {name!r} must be one of {', '.join(known)}")
    used, waiting = set[str](), [name]
    while waiting:
        here = waiting.pop()
        used.add(here)
        words = set(re.findall(r"\w+", _COMMENT.sub("", known[here])))
        waiting += sorted((words & set(known)) - used)
    return "\n".join(whole for other, whole in known.items() if other in used)


def digest(name: str, statements: str) -> str:
    """Return a short name for what a statement says, comments and layout apart."""
    bare = _COMMENT.sub("", statement(name, statements))
    return sha256(" ".join(bare.split()).encode()).hexdigest()[:12]


def _fold(name: str, proofs: Path, meaning: str) -> list[str]:
    whole = statement(name, (proofs / "Statements.v").read_text(encoding="utf-8"))
    shown = _PAGE.sub("", whole).replace("(**  *)\n", "")  # the reader is there
    [file] = [
        path.name
        for path in proofs.glob("*.v")
        if f"Theorem {name}_holds :" in path.read_text(encoding="utf-8")
    ]
    inside = [
        "```text",
        *shown.splitlines(),
        "```",
        "",
        _HOW_TO_READ,
        f"Proved in `proofs/{file}`. [What this check means]({meaning}#checked-by-coq).",
    ]
    lines = ["    " + line if line else "" for line in inside]
    return ['??? coq "Checked by Coq: the statement"', "", *lines]
