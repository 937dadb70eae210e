"""CONTRIBUTING's picture of the imports, kept true: data flows one way, without loops."""

import ast
import re
import sys
import tomllib
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib.metadata import packages_distributions

import pytest
from support.pages import ROOT

PACKAGES = ("gradexplain", "sitebuild")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
Arrows = dict[str, frozenset[str]]


@dataclass(frozen=True)
class Import:
    """One import: which module it stands in, what it names, and whether inside a function."""

    module: str
    target: str
    lazy: bool


def arrows(page: str) -> Arrows:
    """Return what each row of the picture may import: `row → other rows`, a `?` if only lazily."""
    rows = re.findall(r"^([\w.]+) +→ *(.*)$", page, re.MULTILINE)
    return {name: frozenset(targets.split()) for name, targets in rows}


ARROWS = arrows(CONTRIBUTING)


def sources() -> dict[str, str]:
    """Return every module of the two packages with its text."""
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            module = ".".join(part for part in parts if part != "__init__")
            found[module] = path.read_text(encoding="utf-8")
    return found


@cache
def imports(module: str, text: str) -> tuple[Import, ...]:
    """Return what a module imports, wherever in it that stands."""
    tree = ast.parse(text)
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for node in ast.walk(function)
    }
    return tuple(
        Import(module, target, lazy=id(node) in inside)
        for node in ast.walk(tree)
        for target in _targets(node)
    )


def _targets(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        start = "." * node.level + (node.module or "")
        return [f"{start}.{alias.name}" for alias in node.names]
    return []


def faults(modules: dict[str, str]) -> list[str]:
    """Name each import that no arrow allows, each loop, and each module that has no arrows."""
    found = [one for module, text in modules.items() for one in imports(module, text)]
    said = [f"{module} has no place yet" for module in modules if _row(module) is None]
    for one in found:
        inner = within(one.target, modules)
        if one.target.startswith("."):
            said.append(f"{one.module} imports {one.target}: relative")
        elif inner is None and _top(one.target) not in _declared(one):
            said.append(f"{one.module} imports {one.target}: not declared")
        elif inner is not None and not _is_allowed(one, inner):
            said.append(f"{one.module} imports {inner}: no arrow")
    return said + _loops(found, modules)


def within(target: str, modules: dict[str, str]) -> str | None:
    """Return the module of ours that an import names, None for another package's."""
    while target and target not in modules:  # the last part may be a name in a module
        target = target.rpartition(".")[0]
    return target or None


def _row(module: str) -> str | None:
    """Return the row that a module falls under: its own, or that of the package it is in."""
    own = module
    while module and module not in ARROWS:
        module = module.rpartition(".")[0]
    return None if module == "gradexplain" != own else module or None  # each has its own row there


def _top(name: str) -> str:
    return name.partition(".")[0]


def _is_allowed(one: Import, inner: str) -> bool:
    here = _row(one.module)
    if here is None or here == _row(inner):
        return here is not None
    allowed = {target.rstrip("?") for target in ARROWS[here] if one.lazy or target[-1] != "?"}
    return any(f"{inner}.".startswith(f"{target}.") for target in allowed)


def _declared(one: Import) -> frozenset[str]:
    """Return the packages that whoever runs a module has, by the names they are imported under."""
    row = _row(one.module) or ""
    builds = _top(row) == "sitebuild"
    draws = builds or "gradexplain.plotting" in {row, *_lazy(row)}
    known = _installed(draws=draws, builds=builds) | set(sys.stdlib_module_names)
    if row == "gradexplain.integrations":  # a framework's is imported only by those who have it
        known |= {"torch", one.module.rpartition(".")[2].partition("_")[0]}
    return known


def _lazy(row: str) -> set[str]:
    return {target.rstrip("?") for target in ARROWS.get(row, ()) if target.endswith("?")}


@cache
def _installed(*, draws: bool, builds: bool) -> frozenset[str]:
    project = PYPROJECT["project"]
    declared = [*project["dependencies"]]
    declared += project["optional-dependencies"]["figures"] if draws else []
    declared += PYPROJECT["dependency-groups"]["docs"] if builds else []
    wanted = {re.split(r"[^\w-]", requirement)[0].lower() for requirement in declared}
    return frozenset(
        name
        for name, distributions in packages_distributions().items()
        if wanted & {distribution.lower() for distribution in distributions}
    )


def _loops(found: list[Import], modules: dict[str, str]) -> list[str]:
    graph: dict[str, list[str]] = {module: [] for module in modules}
    for one in found:
        inner = within(one.target, modules)
        if inner is not None and not one.lazy:
            graph[one.module].append(inner)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        imported = reversed(error.args[1])  # it says each before the one that imports it
        return [f"a loop: {' → '.join(imported)}"]
    return []


def test_every_import_follows_an_arrow() -> None:
    modules = sources()
    assert {"gradexplain.network", "gradexplain.audit.tell.report", "sitebuild.figures.chord"} <= {
        *modules
    }
    assert faults(modules) == []


def test_the_picture_has_no_row_without_a_module_and_no_arrow_upward() -> None:
    modules = sources()
    assert [row for row in ARROWS if row not in modules] == []
    rows = list(ARROWS)
    targets = {row: {target.rstrip("?") for target in ARROWS[row]} for row in rows}
    assert [row for row in rows if not targets[row] <= {*rows[: rows.index(row) + 1]}] == []


@pytest.mark.parametrize(
    ("module", "line", "said"),
    [
        ("network", "from gradexplain.gradients import x", "network imports gradexplain.gradients"),
        ("shortcut", "from gradexplain import gradients", "shortcut imports gradexplain.gradients"),
        ("gradients", "from .shortcut import averaged_backprop", "gradients imports .shortcut"),
        ("means", "from gradexplain import MLP", "means imports gradexplain: no arrow"),
        ("line", "from gradexplain.plotting import canvas", "line imports gradexplain.plotting"),
        ("audit.read.gram", "import scipy.linalg", "imports scipy.linalg: not declared"),
        ("audit.read.gram", "def f():\n    import sitebuild.page", "sitebuild.page"),
        ("audit.tell.report", "from gradexplain.plotting import canvas", "gradexplain.plotting"),
        ("audit.read.fit", "from gradexplain.audit.judge import Case", "gradexplain.audit.judge"),
        ("audit.judge.case", "from gradexplain.audit.read.gram import Gram", "read.gram"),
        ("audit.given", "from gradexplain.audit.api import P", "gradexplain.audit.api"),
        ("line", "from matplotlib.figure import Figure", "imports matplotlib.figure.Figure"),
        ("line", "def f():\n    import torch", "line imports torch: not declared"),
        ("integrations.torch", "import tensorflow", "integrations.torch imports tensorflow"),
        ("network", "if TYPE_CHECKING:\n    import gradexplain.line", "imports gradexplain.line"),
        ("helpers", "", "gradexplain.helpers has no place yet"),
    ],
)
def test_an_import_against_the_arrows_is_noticed(module: str, line: str, said: str) -> None:
    modules, module = sources(), f"gradexplain.{module}"
    modules[module] = modules.get(module, "") + "\n" + line
    assert [fault for fault in faults(modules) if said in fault], faults(modules)


@pytest.mark.parametrize(
    ("module", "line", "said"),
    [
        ("sitebuild.figures.chord", "from sitebuild import svg", "imports sitebuild.svg: no arrow"),
        ("sitebuild.figures.chord", "import scipy", "imports scipy: not declared"),
        ("sitebuild.security", "import sybil", "imports sybil: not declared"),
        ("gradexplain", "from sitebuild.figures.chord import chord", "sitebuild.figures.chord"),
    ],
)
def test_the_builder_s_imports_are_held_too(module: str, line: str, said: str) -> None:
    modules = sources()
    modules[module] += "\n" + line
    assert [fault for fault in faults(modules) if said in fault], faults(modules)


def test_a_loop_is_noticed_though_every_arrow_is_allowed() -> None:
    modules = sources()
    modules["sitebuild.figures.chord"] += "\nimport sitebuild.figures.circle"
    modules["sitebuild.figures.circle"] += "\nimport sitebuild.figures.chord"
    (said,) = faults(modules)
    assert said.startswith("a loop: sitebuild.figures.")
    assert "chord → sitebuild.figures.circle" in said
    assert "circle → sitebuild.figures.chord" in said
