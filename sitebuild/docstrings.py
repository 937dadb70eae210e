"""Griffe extension: docstrings as the API page shows them."""

import re
from pathlib import Path
from textwrap import indent

from griffe import Attribute, Docstring, DocstringSectionParameters, ExprCall, Extension, Object

_EXAMPLES = re.compile(r"^>>> .*", re.MULTILINE | re.DOTALL)
_ADDRESS = re.compile(r"https://[^\s)]*[^\s).,]")


class Docstrings(Extension):
    """Shows examples as code, types once, and a constant with its type and its `#:` comment."""

    def on_object(self, *, obj: Object, **_: object) -> None:
        """Change the docstring of a function, a class, an attribute or a module."""
        if isinstance(obj, Attribute):
            _complete(obj)
        if obj.docstring is None:
            return
        obj.docstring.value = readable(obj.docstring.value)
        for section in obj.docstring.parsed:
            if isinstance(section, DocstringSectionParameters):
                for parameter in section.value:
                    parameter.annotation = None  # the signature says it


def readable(docstring: str) -> str:
    r"""Make addresses links, and give the prompts at the end the heading that makes them code.

    >>> readable("See https://example.org.\n\n>>> 1 + 1\n2")
    'See <https://example.org>.\n\nExamples:\n    >>> 1 + 1\n    2'
    """
    linked = _ADDRESS.sub(r"<\g<0>>", docstring)
    return _EXAMPLES.sub(lambda found: "Examples:\n" + indent(found[0], "    "), linked)


def comment_above(lines: list[str], number: int) -> str:
    r"""Return the `#:` comment that ends right above line `number`, counted from 1.

    >>> comment_above(["#: Two,", "#: twice.", "four = 4"], 3)
    'Two,\ntwice.'
    """
    comment: list[str] = []
    for line in reversed(lines[: number - 1]):
        if not line.startswith("#:"):
            break
        comment.insert(0, line.removeprefix("#:").strip())
    return "\n".join(comment)


def _complete(constant: Attribute) -> None:
    """Add what griffe leaves out: the comment above a constant, and the type a call makes."""
    if constant.docstring is None and constant.lineno and isinstance(constant.filepath, Path):
        lines = constant.filepath.read_text(encoding="utf-8").splitlines()
        comment = comment_above(lines, constant.lineno)
        constant.docstring = Docstring(comment, parent=constant) if comment else None
    if constant.annotation is None and isinstance(constant.value, ExprCall):
        constant.annotation = constant.value.function
