"""Change each digit, sign and operator of the pages, one at a time; name what no check notices.

A page runs once, through Sybil. Before each example the process forks, once for every change that
first shows there: the child goes on with the changed page until a check fails.
"""

# ruff: noqa: T201 - what it finds, it prints

import argparse
import os
import random
import signal
import sys
import warnings
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from support.collect import pages
from support.doc_changes import Change, changes
from support.pages import ROOT
from support.survivors import Altered, faults, listed, shown
from sybil import Document, Example

from sitebuild.page import Mark

UNNOTICED = 0  # what a child exits with if every check passes
UNCHANGED = Change(0, 0, "")


@dataclass(frozen=True)
class Mutant:
    """A page with one change."""

    path: Path
    page: str
    change: Change

    @property
    def altered(self) -> Altered:
        """Name it so that it is found again."""
        return _name(self.path), *self.change.lines(self.page)


def main() -> int:
    """Return 1 if a change goes unnoticed that is not listed, or a listed one does not."""
    options = _options()
    warnings.simplefilter("error")  # as in the tests
    start = monotonic()
    paths = options.pages or [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    every = [mutant for path in paths for mutant in mutants(path)]
    tried = every if options.sample is None else sample(every, options.sample, options.seed)
    codes: dict[Mutant, int] = {}
    for path in paths:
        here = [mutant for mutant in tried if mutant.path == path]
        codes |= verdicts(path, here, options.jobs, options.seconds)
    allowed = listed(options.survivors, "docs")
    if options.pages:
        allowed = {altered for altered in allowed if altered[0] in map(_name, paths)}
    late = _altered(mutant for mutant, code in codes.items() if code == -signal.SIGALRM)
    unnoticed = _altered(mutant for mutant, code in codes.items() if code == UNNOTICED)
    found = faults(_altered(every), _altered(codes), unnoticed, allowed)
    for line in [*(shown("Noticed by the clock:", altered) for altered in sorted(late)), *found]:
        print(line)
    print(
        f"{len(every)} changes on {len(paths)} pages, {len(tried)} tried: {len(late)} noticed by"
        f" the clock, {len(unnoticed)} unnoticed; {monotonic() - start:.0f} s"
    )
    return int(bool(found))


def mutants(path: Path) -> list[Mutant]:
    """Return the page with each of its changes."""
    page = path.read_text(encoding="utf-8")
    return [Mutant(path, page, change) for change in changes(page)]


def sample(every: list[Mutant], size: int, seed: str) -> list[Mutant]:
    """Draw some of the changes."""
    print(f"A sample of {size}, seed {seed}")
    return random.Random(seed).sample(every, min(size, len(every)))  # noqa: S311 - no secret


def verdicts(path: Path, tried: list[Mutant], jobs: int, seconds: int) -> dict[Mutant, int]:
    """Return for each mutant of the page the code with which its child exited.

    Raises:
        RuntimeError: a check fails on the page as it stands.
    """
    text = path.read_text(encoding="utf-8")
    namespace: dict[str, Any] = {}
    page = _examples(path, text, namespace)
    waiting = defaultdict(list, {0: [(Mutant(path, text, UNCHANGED), page)]})
    for mutant in tried:
        changed = _examples(path, mutant.change.applied(text), namespace)
        waiting[_shared(page, changed)].append((mutant, changed))
    codes: dict[Mutant, int] = {}
    running: dict[int, Mutant] = {}
    for number, example in enumerate([*page, None]):
        for mutant, changed in waiting[number]:
            if len(running) == jobs:
                codes |= _finished(running)
            running[_forked(changed[number:], seconds)] = mutant
        if example:
            example.evaluate()
    while running:
        codes |= _finished(running)
    if codes.pop(Mutant(path, text, UNCHANGED)) != UNNOTICED:
        raise RuntimeError(f"a check fails on {path} as it stands")
    return codes


def _examples(path: Path, text: str, namespace: dict[str, Any]) -> list[Example]:
    """Read the text as Sybil reads the page; all texts of one page share its namespace."""
    document = Document(text, str(path))
    document.namespace = namespace
    for parse in pages.parsers:
        for region in parse(document):
            document.add(region)
    return list(document)


def _shared(page: list[Example], changed: list[Example]) -> int:
    """Return how many examples both have in common before the first that differs."""
    pairs = enumerate(zip(page, changed, strict=False))
    differ = (number for number, (old, new) in pairs if _content(old) != _content(new))
    return next(differ, min(len(page), len(changed)))


def _content(example: Example) -> object:
    """Return what the example checks, apart from where in the page it stands."""
    parsed = example.parsed
    return (parsed.printed, parsed.expression) if isinstance(parsed, Mark) else parsed


def _forked(examples: list[Example], seconds: int) -> int:
    """Evaluate the examples in a child; return its process number."""
    if child := os.fork():
        return child
    code = 1
    try:
        signal.alarm(seconds)
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, sys.stdout.fileno())
        os.dup2(silence, sys.stderr.fileno())
        for example in examples:
            example.evaluate()
        code = UNNOTICED
    finally:
        os._exit(code)


def _finished(running: dict[int, Mutant]) -> dict[Mutant, int]:
    """Wait for one child; return its mutant with its exit code."""
    child, status = os.wait()
    return {running.pop(child): os.waitstatus_to_exitcode(status)}


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name


def _resolved(path: str) -> Path:
    return Path(path).resolve()


def _altered(some: Iterable[Mutant]) -> set[Altered]:
    return {mutant.altered for mutant in some}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pages", nargs="*", type=_resolved, help="default: all, and the README")
    parser.add_argument("--sample", type=int, help="how many changes to try; default: all")
    parser.add_argument("--seed", default="", help="any text; another draws another sample")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes at a time")
    parser.add_argument("--seconds", type=int, default=30, help="for one change")
    parser.add_argument("--survivors", type=Path, default=ROOT / "tests/mutation_survivors.toml")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
