"""Judge mutmut's run: which mutants of the package survived, and what was never mutated at all.

mutmut makes no mutants in decorated functions or in tables of lambdas, and says nothing of it:
hence each public function must have some, or be listed with the reason why it has none.
"""

# ruff: noqa: T201 - what it finds, it prints

import argparse
import ast
import json
import math
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from support.pages import ROOT
from support.survivors import listed_operators, shown

SURVIVORS = ROOT / "tests/mutation_survivors.toml"
LEAST = 0.97  # of the mutants must be killed
_TOKEN = re.compile(r"\w+|[=<>!*/]=|\*\*|//|\S")
_STRICT = re.compile(r",?\s*\bstrict=\w+")
_LONG = 60  # letters of a change that are kept, such as of a message
KILLED = {1, 3, 24, -24, 36, 152, 255}  # pytest's exit codes for a failure, mutmut's for the clock


@dataclass(frozen=True)
class Mutant:
    """A function of the package, what was changed in it, and whether a test failed."""

    function: str
    before: str
    after: str
    killed: bool

    @property
    def altered(self) -> tuple[str, str, str]:
        """Where it is, and the text before and after."""
        return self.function, self.before, self.after

    @property
    def change(self) -> tuple[str, str]:
        """Name it so that it is found again after the line was edited: by what differs in it."""
        return self.function, operator(self.before, self.after)


def main() -> int:
    """Return 1 if mutants survived that are not listed, or too many, or a function has none."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", action="store_true", help="judge those that were tried")
    sampled = parser.parse_args().sample
    modules = mutated_modules(ROOT)
    every = [mutant for module in modules for mutant in mutants(ROOT, module, untried=sampled)]
    counts = Counter(mutant.function for mutant in every)
    for function, number in sorted(counts.items()):
        print(f"{number:5} {function}")
    allowed = listed_operators(SURVIVORS)
    if sampled:
        found = judged_sample(every, allowed)
    else:
        public = [name for module in modules for name in public_functions(ROOT, module)]
        found = judged(every, public, allowed, unmutated(SURVIVORS))
    print(*found, sep="\n", end="\n" * bool(found))
    killed = sum(mutant.killed for mutant in every)
    print(f"{len(every)} mutants of {len(counts)} functions: {killed} killed")
    if sampled:
        low, high = interval(killed, len(every))
        print(f"Of all mutants, {low:.1%} to {high:.1%} are killed, with 95 % confidence")
    return int(bool(found))


def judged_sample(tried: list[Mutant], allowed: Counter[tuple[str, str]]) -> list[str]:
    """Name what is wrong with a sample; it cannot show that the list has grown old."""
    found = _unlisted(tried, allowed)
    killed = sum(mutant.killed for mutant in tried)
    if interval(killed, len(tried))[1] < LEAST:
        found.append(f"Too few are killed: {killed} of {len(tried)}")
    return found


def interval(killed: int, tried: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share, from a sample.

    >>> [round(end, 3) for end in interval(970, 1000)]
    [0.957, 0.979]
    """
    if not tried:
        return 0.0, 1.0
    z, share = 1.959964, killed / tried
    middle = share + z**2 / (2 * tried)
    half = z * math.sqrt(share * (1 - share) / tried + (z / (2 * tried)) ** 2)
    return (middle - half) / (1 + z**2 / tried), (middle + half) / (1 + z**2 / tried)


def judged(
    every: list[Mutant], public: list[str], allowed: Counter[tuple[str, str]], spared: set[str]
) -> list[str]:
    """Name what is wrong with the run."""
    found = _unlisted(every, allowed)
    survived = Counter(mutant.change for mutant in every if not mutant.killed)
    found += [
        f"Listed, but noticed or not there: {place}, {change}"
        for place, change in sorted((allowed - survived).elements())
    ]
    mutated = {mutant.function for mutant in every}
    without = set(public) - mutated
    found += [f"Not mutated: {name}" for name in public if name in without - spared]
    found += [f"Listed, but mutated or not public: {name}" for name in sorted(spared - without)]
    killed = sum(mutant.killed for mutant in every)
    if killed < LEAST * len(every):
        found.append(f"Too few are killed: {killed} of {len(every)}")
    return found


def _unlisted(every: list[Mutant], allowed: Counter[tuple[str, str]]) -> list[str]:
    survivors = [mutant for mutant in every if not mutant.killed]
    survived = Counter(mutant.change for mutant in survivors)
    return [
        shown(f"Unnoticed, {operator(each.before, each.after)}:", each.altered)
        for each in survivors
        if survived[each.change] > allowed[each.change]
    ]


def operator(before: str, after: str) -> str:
    """Return what differs between two lines, by their tokens: "<= → <".

    >>> operator("if a <= b:", "if a < b:"), operator("zip(x, y, strict=True)", "zip(x, y, )")
    ('<= → <', 'strict = True → nothing')
    """
    sides = [_TOKEN.findall(text) for text in (before, after)]
    for end in (0, -1):
        while sides[0] and sides[1] and sides[0][end] == sides[1][end]:
            for side in sides:
                side.pop(end)
    return " → ".join(" ".join(side)[:_LONG] or "nothing" for side in sides)


def unmutated(survivors: Path) -> set[str]:
    """Return the public functions that hold nothing to alter; one without a reason is an error."""
    entries = tomllib.loads(survivors.read_text(encoding="utf-8")).get("unmutated", [])
    for entry in entries:
        if not entry.get("why"):
            raise ValueError(f"{survivors.name} must say why {entry['function']} is not mutated")
    return {entry["function"] for entry in entries}


def mutated_modules(root: Path) -> list[Path]:
    """Return the modules that mutmut is to mutate, relative to the root."""
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
        "mutmut"
    ]
    found = [path for source in settings["source_paths"] for path in (root / source).rglob("*.py")]
    modules = sorted(path.relative_to(root) for path in found)
    spared = settings["do_not_mutate"]
    return [path for path in modules if not any(fnmatch(path.as_posix(), name) for name in spared)]


def public_functions(root: Path, module: Path) -> Iterator[str]:
    """Yield the module's public functions, and the methods of its public classes."""
    for node in ast.parse((root / module).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and _is_public(node):
            yield f"{_dotted(module)}.{node.name}"
        elif isinstance(node, ast.ClassDef) and _is_public(node):
            methods = (part for part in node.body if isinstance(part, ast.FunctionDef))
            yield from (
                f"{_dotted(module)}.{node.name}.{part.name}" for part in methods if _is_public(part)
            )


def mutants(root: Path, module: Path, *, untried: bool = False) -> Iterator[Mutant]:
    """Yield the mutants of a module, as mutmut left them: their code, and how their tests ended.

    A zip's `strict=True` is an assertion. Where it holds, nothing can show that it is gone.
    Where some may be `untried`, they are left out.

    Raises:
        ValueError: some were not tried, and may not be.
    """
    mutated = root / "mutants" / module
    results = json.loads(mutated.with_name(f"{module.name}.meta").read_text(encoding="utf-8"))
    bodies = _bodies(mutated.read_text(encoding="utf-8"))
    for key, code in results["exit_code_by_key"].items():
        if code is None and untried:
            continue
        if code is None:
            raise ValueError(f"mutmut has not tried {key}")
        mutant = key.removeprefix(f"{_dotted(module)}.")
        mangled = mutant.rpartition("__mutmut_")[0]
        versions = (f"{mangled}__mutmut_orig", mutant)
        name = _plain(mangled)
        before, after = _difference(
            *(bodies[version].replace(version, name.rpartition(".")[2]) for version in versions)
        )
        if not _is_strictness(before, after):
            yield Mutant(f"{_dotted(module)}.{name}", before, after, code in KILLED)


def _bodies(code: str) -> dict[str, str]:
    functions = (node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.FunctionDef))
    lines = code.splitlines()
    return {node.name: "\n".join(lines[node.lineno - 1 : node.end_lineno]) for node in functions}


def _difference(before: str, after: str) -> tuple[str, str]:
    """Return the lines that differ, each side in one line."""
    sides = [[line.strip() for line in text.splitlines()] for text in (before, after)]
    for end in (0, -1):
        while sides[0][end:] and sides[1][end:] and sides[0][end] == sides[1][end]:
            for side in sides:
                side.pop(end)
    return " ".join(sides[0]), " ".join(sides[1])


def _is_strictness(before: str, after: str) -> bool:
    """Tell whether all that differs is that a zip is not strict, or not said not to be.

    >>> _is_strictness("zip(x, y, strict=True)", "zip(x, y, )"), _is_strictness("strict=True,", "")
    (True, True)
    >>> _is_strictness("zip(x, y, strict=True)", "zip(x, strict=True)")
    False
    """
    if "strict=True" in after:
        return False
    sides = (_STRICT.sub("", text) for text in (before, after))
    return len({re.sub(r",\s*(?=\)|$)", "", side) for side in sides}) == 1


def _plain(name: str) -> str:
    """Turn mutmut's name of a function into Python's.

    >>> _plain("x_covariance"), _plain("xǁLineǁloss")
    ('covariance', 'Line.loss')
    """
    return ".".join(name.split("ǁ")[1:]) or name.removeprefix("x_")


def _dotted(module: Path) -> str:
    return ".".join(module.with_suffix("").parts)


def _is_public(node: ast.FunctionDef | ast.ClassDef) -> bool:
    return node.name.endswith("__") or not node.name.startswith("_")


if __name__ == "__main__":
    sys.exit(main())
