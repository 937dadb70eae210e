"""Alter each statement, part by part, and see that its proof fails: the check of the checker.

A sign, an operator, a comparison, a quantifier, a number or a variable becomes another, a
hypothesis is dropped, two quantifiers trade places. What Coq cannot even read as a statement is
refused. A proof that survives must be listed in `altered.toml`, with the reason why the altered
statement is still true. A definition that several statements share is altered for all of them.
"""

import argparse
import random
import re
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from time import monotonic

import coq

SECONDS = 5  # for one step of a proof; the right ones take less than one
_TOKEN = re.compile(r"<->|->|=>|:=|<=|<>|/\\|\\/|[A-Za-z_][\w']*|\d+|%nat|[^\s]")
_OTHERS = {
    "+": "-",
    "*": "+",
    "/": "*",
    "<=": "<",
    "<": "<=",
    "=": "<>",
    "<>": "=",
    "/\\": "\\/",
    "\\/": "/\\",
    "forall": "exists",
    "exists": "forall",
    "0": "1",
    "1": "2",
    "2": "3",
    "S": "",
    "Rabs": "",
    "Derive": "",
}
_BEFORE_UNARY = {"(", ",", "=", "<=", "<", "+", "*", "/", "-", "->", "=>", "/\\"}
_BINDER = re.compile(r"(forall|exists) ([^,]*),")


@dataclass(frozen=True)
class Alteration:
    """One definition with one part altered."""

    name: str
    what: str
    text: str


def main() -> int:
    """Return 1 if a proof survives that is not listed, or a listed one does not."""
    options = _options()
    start = monotonic()
    try:
        verdicts, number = tried(options.sample, options.seed)
    except coq.CoqError as error:
        print(error, file=sys.stderr)
        return 1
    listed = reasons()
    survivors = {(one.name, one.what) for one, verdict in verdicts.items() if verdict == "survives"}
    known = {(one.name, one.what) for one in verdicts}
    faults = [f"survives: {name}: {what}" for name, what in sorted(survivors - set(listed))]
    faults += [f"does not survive: {one}" for one in sorted((set(listed) & known) - survivors)]
    if options.sample is None:
        faults += [f"is no alteration: {one}" for one in sorted(set(listed) - known)]
    for fault in faults:
        print(fault, file=sys.stderr)
    count = Counter(verdicts.values())
    print(
        f"{number} alterations, {len(verdicts)} tried: {count['refused']} are no statements, the"
        f" proofs of {count['fails']} fail, {count['survives']} survive;"
        f" {monotonic() - start:.0f} s"
    )
    return int(bool(faults))


def reasons() -> dict[tuple[str, str], str]:
    """Return why each survivor that is listed is still true."""
    listed = tomllib.loads((coq.HERE / "altered.toml").read_text(encoding="utf-8"))
    return {(name, what): why for name, found in listed.items() for what, why in found.items()}


def tried(size: int | None, seed: str) -> tuple[dict[Alteration, str], int]:
    """Try all alterations, or a sample; return the verdicts, and how many alterations there are.

    Raises:
        CoqError: Coq is missing, or the files do not compile as they stand.
    """
    files = coq.sources()
    statements = coq.definitions(files["Statements"])
    every = [one for name, text in statements.items() for one in alterations(name, text)]
    chosen = every
    if size is not None:
        print(f"A sample of {size}, seed {seed}")
        chosen = random.Random(seed).sample(every, min(size, len(every)))  # noqa: S311 - no secret
    verdicts: dict[Alteration, str] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        coq.look_for_coq(folder)
        coq.write(files, folder)
        for file in coq.in_order(files):
            coq.compiled(file, folder)
        for statement in coq.theorems():
            here = [one for one in chosen if one.name == statement]
            verdicts |= of_statement(here, files, folder)
    for one in chosen:
        if one not in verdicts:
            verdicts[one] = of_definition(one, files)
    return verdicts, len(every)


def of_statement(
    some: list[Alteration], files: dict[str, str], folder: Path
) -> dict[Alteration, str]:
    """Give each altered statement to the proof of the right one, all in one session of Coq."""
    if not some:
        return {}
    [name] = {one.name for one in some}
    [file] = [file for file, text in files.items() if name in coq.proofs(text)]
    lines = [*re.findall(r"^Require .*$", files[file], re.MULTILINE), f"Require Import {file}."]
    lines.append(f"Set Default Timeout {SECONDS}.")
    for number, one in enumerate(some):
        altered = f"altered_{number}"
        lines += [
            re.sub(rf"^(Definition|Fixpoint) {name}\b", rf"\1 {altered}", one.text),
            f"Theorem {altered}_holds : {altered}.",
            coq.proofs(files[file])[name],
            "Abort All.",
            f"Locate {altered}.",
            f"Locate {altered}_holds.",
        ]
    command = ["coqtop", "-q", "-w", "none", "-R", ".", "Site"]
    printed = coq.run(command, folder, 3600, "\n".join(lines) + "\n")
    found = set(re.findall(r"Constant Top\.(\w+)", printed))
    verdicts = {}
    for number, one in enumerate(some):
        read, proved = f"altered_{number}" in found, f"altered_{number}_holds" in found
        verdicts[one] = "survives" if proved else "fails" if read else "refused"
    return verdicts


def of_definition(one: Alteration, files: dict[str, str]) -> str:
    """Compile the proofs of all that it is used for with an altered definition, until one fails."""
    known = coq.definitions(files["Statements"])
    right = known[one.name]
    wanted = [
        file
        for file, text in files.items()
        if any(one.name in coq.uses(name, known) for name in coq.proofs(text))
    ]
    altered = files | {"Statements": files["Statements"].replace(right, one.text)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        hasty = {file: f"Set Default Timeout {SECONDS}.\n{text}" for file, text in altered.items()}
        coq.write(hasty, folder)
        for file in coq.in_order(altered, wanted):
            try:
                coq.compiled(file, folder, 60)
            except coq.CoqError:
                return "refused" if file == "Statements" else "fails"
    return "survives"


def alterations(name: str, text: str) -> Iterator[Alteration]:
    """Yield the definition with each of its parts altered, each under a name of its own."""
    seen, named = {text}, Counter[str]()
    for start, end, after in sorted({*_exchanged(text), *_swapped(text), *_dropped(text)}):
        altered = text[:start] + after + text[end:]
        if altered not in seen:
            seen.add(altered)
            before, old, behind = text[:start], text[start:end], text[end:]
            around = (" ".join(part.split()) for part in (before[-16:], old, after, behind[:16]))
            what = "{} ⟨{} → {}⟩ {}".format(*around).strip()
            named[what] += 1
            yield Alteration(name, what + f" ({named[what]})" * (named[what] > 1), altered)


def _exchanged(text: str) -> Iterator[tuple[int, int, str]]:
    """Exchange one token for another; of the variables, those that are introduced as alike."""
    body = text.index(":=")
    tokens = [token for token in _TOKEN.finditer(text) if token.start() > body]
    binders = [found.span(2) for found in _BINDER.finditer(text)]
    alike = _alike(text)
    for before, token in pairwise(tokens):
        start, end, word = token.start(), token.end(), token[0]
        if word in _OTHERS:
            yield start, end, _OTHERS[word]
        elif word == "-":
            yield start, end, "" if before[0] in _BEFORE_UNARY else "+"
        elif not any(low <= start < high for low, high in binders):
            yield from ((start, end, other) for other in sorted(alike.get(word, set()) - {word}))


def _alike(text: str) -> dict[str, set[str]]:
    """Return for each variable those of its type, or those introduced beside it without a type."""
    groups: dict[str, set[str]] = {}
    for number, found in enumerate(_BINDER.finditer(text)):
        typed = re.findall(r"\(([^:()]*):([^()]*)\)", found[2])
        for names, kind in typed:
            groups.setdefault(" ".join(kind.split()), set()).update(names.split())
        bare = re.sub(r"\([^()]*\)", " ", found[2])
        groups.setdefault(f"untyped {number}", set()).update(bare.partition(":")[0].split())
    return {name: group for group in groups.values() for name in group}


def _swapped(text: str) -> Iterator[tuple[int, int, str]]:
    """Swap two quantifiers that follow each other."""
    for one, two in pairwise(_BINDER.finditer(text)):
        if one[1] != two[1] and not text[one.end() : two.start()].strip():
            yield one.start(), two.end(), f"{two[0]} {one[0]}"


def _dropped(text: str) -> Iterator[tuple[int, int, str]]:
    """Put `True` in the place of each hypothesis, wherever in the definition it stands."""
    opened = [text.index(":=") + 2]
    for token in _TOKEN.finditer(text, opened[0]):
        if token[0] == "(":
            opened.append(token.end())
        elif token[0] == ")":
            opened.pop()
        elif token[0] in (",", "in", "/\\", "\\/", "<->", "=>"):
            opened[-1] = token.end()
        elif token[0] == "->":
            yield opened[-1], token.start(), " True "
            opened[-1] = token.end()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int, help="how many alterations to try; default: all")
    parser.add_argument("--seed", default="", help="any text; another draws another sample")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
