"""Let Coq check the site's theorems, and say on which axioms each one rests.

It compiles every file, compares the axioms of each theorem with `theorems.toml`, and has `coqchk`,
a smaller program than the compiler, check all that was compiled once more, libraries included.
"""

import re
import sys
import tempfile
from pathlib import Path
from time import monotonic

import coq

STATEMENT_LINES = 150
ALL_LINES = 1500
_UNPROVED = re.compile(
    r"\b(?:Admitted|admit|give_up|Abort|Axioms?|Parameters?|Conjectures?|Unset|bypass_check)\b"
)
_COMMENT = re.compile(r"\(\*.*?\*\)", re.DOTALL)
_FLAWS = ("type-in-type", "unsafe (co)fixpoints", "positivity is assumed")


def main() -> int:
    """Return 1 if anything is wrong."""
    start = monotonic()
    try:
        faults = source_faults(coq.sources()) or checked()
    except coq.CoqError as error:
        faults = [str(error)]
    for fault in faults:
        print(fault, file=sys.stderr)
    if not faults:
        print(f"Coq accepts {len(coq.theorems())} theorems; {monotonic() - start:.0f} s")
    return int(bool(faults))


def source_faults(files: dict[str, str]) -> list[str]:
    """Name what can be seen without Coq: gaps, and files that have grown too long."""
    faults = []
    for name, text in files.items():
        bare = _COMMENT.sub("", text)
        faults += [f"{name}.v must prove all it says: {word}" for word in _UNPROVED.findall(bare)]
    statements = files["Statements"]
    imported = set(re.findall(r"^.*\bImport\b.*$", statements, re.MULTILINE))
    if imported != {"Require Import Reals Coquelicot.Coquelicot. Open Scope R_scope."}:
        faults.append(f"Statements.v must import Reals and Coquelicot and nothing else: {imported}")
    for lines, limit, what in [
        (len(statements.splitlines()), STATEMENT_LINES, "Statements.v"),
        (sum(len(text.splitlines()) for text in files.values()), ALL_LINES, "all files"),
    ]:
        if lines > limit:
            faults.append(f"{what} must have at most {limit} lines, not {lines}")
    proved = [name for text in files.values() for name in coq.proofs(text)]
    for name in sorted(set(coq.theorems()).symmetric_difference(proved)):
        faults.append(f"{name} must be a table of theorems.toml and have one proof, {name}_holds")
    return faults


def checked() -> list[str]:
    """Compile everything; name each theorem whose axioms are not those that are recorded.

    Raises:
        CoqError: Coq is missing, or refuses something.
    """
    files = coq.sources()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        coq.look_for_coq(folder)
        coq.write(files, folder)
        for file in coq.in_order(files):
            start = monotonic()
            coq.compiled(file, folder)
            print(f"{file:14} {monotonic() - start:4.1f} s")
        faults = axiom_faults(assumptions(sorted(set(files) - {"Statements"}), folder))
        start = monotonic()
        options = ["-silent", "-o", "-R", ".", "Site"]
        report = coq.run(["coqchk", *options, "Site.Assumptions"], folder, 600)
        print(f"{'coqchk':14} {monotonic() - start:4.1f} s")
    return faults + report_faults(report)


def assumptions(files: list[str], folder: Path) -> dict[str, list[str]]:
    """Ask Coq what each theorem rests on; its type must be the statement itself."""
    names = list(coq.theorems())
    lines = [f"Require Import Statements {' '.join(files)}."]
    lines += [f"Definition {name} : Site.Statements.{name} := {name}_holds." for name in names]
    lines += [f"Print Assumptions {name}." for name in names]
    coq.write({"Assumptions": "\n".join(lines) + "\n"}, folder)
    printed = coq.compiled("Assumptions", folder)
    parts = re.split(r"^(?:Axioms:|Closed under the global context)$", printed, flags=re.MULTILINE)
    axioms = [re.findall(r"^(\w[\w.]*)", part, re.MULTILINE) for part in parts[1:]]
    return {name: sorted(part) for name, part in zip(names, axioms, strict=True)}


def axiom_faults(found: dict[str, list[str]]) -> list[str]:
    """Name each theorem that rests on something else than is recorded."""
    return [
        f"{name} rests on {found[name]}, and theorems.toml says {recorded.axioms}"
        for name, recorded in coq.theorems().items()
        if found[name] != recorded.axioms
    ]


def report_faults(report: str) -> list[str]:
    """Name what `coqchk` reports beyond the axioms that are recorded."""
    recorded = {axiom for theorem in coq.theorems().values() for axiom in theorem.axioms}
    part = report.partition("* Axioms:")[2].partition("* Constants")[0]
    found = {line.strip().removeprefix("Coq.") for line in part.splitlines() if line.strip()}
    faults = [
        f"coqchk names the axiom {axiom}"
        for axiom in sorted(found)
        if not any(axiom.endswith(f".{known}") for known in recorded)
    ]
    faults += ["coqchk names no axiom: is its report still read rightly?"] * (not found)
    return faults + [
        f"coqchk must say <none> for {flaw}"
        for flaw in _FLAWS
        if not re.search(rf"{re.escape(flaw)}: <none>", report)
    ]


if __name__ == "__main__":
    sys.exit(main())
