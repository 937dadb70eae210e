"""Read the statements and run Coq on them, with Python's standard library and nothing else."""

import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path

HERE = Path(__file__).parent
MISSING = "Coq with Coquelicot is missing (Debian: apt-get install coq libcoq-coquelicot)"
_DEFINITION = re.compile(r"^(?:Definition|Fixpoint) (\w+)\b.*?\.$", re.DOTALL | re.MULTILINE)
_REQUIRED = re.compile(r"^Require Import (.*?)\.(?:\s|$)", re.MULTILINE)
_THEOREM = re.compile(r"^Theorem (\w+)_holds : \1\.\n(Proof\..*?Qed\.)$", re.DOTALL | re.MULTILINE)


class CoqError(Exception):
    """Coq is missing, or it refuses what it was given."""


@dataclass(frozen=True)
class Theorem:
    """What is recorded of a theorem: its page's claims, its statement's name, its axioms."""

    page: str
    claims: list[str]
    says: str
    axioms: list[str]


def theorems() -> dict[str, Theorem]:
    """Return what is recorded of each theorem, by the name of its statement."""
    recorded = tomllib.loads((HERE / "theorems.toml").read_text(encoding="utf-8"))
    return {name: Theorem(**table) for name, table in recorded.items()}


def sources() -> dict[str, str]:
    """Return each Coq file by its name without suffix."""
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted(HERE.glob("*.v"))}


def definitions(statements: str) -> dict[str, str]:
    """Return each definition of `Statements.v`, whole, by its name."""
    return {found[1]: found[0] for found in _DEFINITION.finditer(statements)}


def proofs(text: str) -> dict[str, str]:
    """Return the proof of each theorem in a file, by the name of its statement."""
    return {found[1]: found[2] for found in _THEOREM.finditer(text)}


def uses(name: str, known: dict[str, str]) -> set[str]:
    """Return the definitions that one is made of, itself among them."""
    used, waiting = set[str](), [name]
    while waiting:
        here = waiting.pop()
        used.add(here)
        waiting += (set(re.findall(r"\w+", known[here])) & set(known)) - used
    return used


def in_order(files: dict[str, str], wanted: Iterable[str] = ()) -> list[str]:
    """Return the wanted files, by default all, each after those that it requires."""
    required = {
        name: {word for line in _REQUIRED.findall(text) for word in line.split()} & {*files}
        for name, text in files.items()
    }
    needed, waiting = set[str](), [*(wanted or files)]
    while waiting:
        needed.add(name := waiting.pop())
        waiting += required[name] - needed
    return list(TopologicalSorter({name: required[name] for name in sorted(needed)}).static_order())


def write(files: dict[str, str], folder: Path) -> None:
    """Write Coq files into a folder, where they are compiled."""
    for name, text in files.items():
        (folder / f"{name}.v").write_text(text, encoding="utf-8")


def compiled(name: str, folder: Path, seconds: int = 120) -> str:
    """Compile a file of the folder; return what Coq prints.

    Raises:
        CoqError: Coq refuses it, or takes too long.
    """
    options = ["-q", "-w", "-ambiguous-paths", "-R", ".", "Site"]
    return run(["coqc", *options, f"{name}.v"], folder, seconds)


def run(command: list[str], folder: Path, seconds: int = 120, text: str | None = None) -> str:
    """Run one of Coq's programs in the folder; return what it prints.

    Raises:
        CoqError: it is not installed, it fails, or it takes too long.
    """
    program = shutil.which(command[0])
    if program is None:
        raise CoqError(MISSING)
    try:
        done = subprocess.run(  # noqa: S603 - our own files
            [program, *command[1:]],
            cwd=folder,
            input=text,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise CoqError(f"{command[0]} took more than {seconds} seconds") from None
    if done.returncode:
        raise CoqError(done.stdout.strip())
    return done.stdout


def look_for_coq(folder: Path) -> None:
    """Ask Coq for the two libraries that the statements import.

    Raises:
        CoqError: Coq or Coquelicot is not installed.
    """
    write({"Libraries": "Require Import Reals Coquelicot.Coquelicot.\n"}, folder)
    try:
        compiled("Libraries", folder)
    except CoqError:
        raise CoqError(MISSING) from None
