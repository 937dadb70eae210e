"""The arrows between the modules, read from their imports: data flows one way, without loops."""

import ast
import re
import sys
import tomllib
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from parsers import ROOT

NAME = "gradexplain"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

#: What each module of the engine may import of the package: the arrows, and nothing else.
ENGINE = {
    "arrays": set[str](),
    "activations": {"arrays"},
    "losses": {"arrays", "activations"},
    "means": {"arrays"},
    "line": {"arrays", "means"},
    "network": {"arrays", "activations", "losses"},
    "gradients": {"arrays", "network"},
    "shortcut": {"arrays", "network"},
    "ledger": {"arrays", "network", "gradients", "shortcut"},
}
#: The same for the front of the audit: it leads through its rooms, which do not know it.
AUDIT = {
    "audit.given": {"audit.judge.case", "audit.judge.weights"},
    "audit.api": {"audit.given", "audit.read", "audit.judge", "audit.tell"},
    "audit.cli": {"audit.api", "audit.given", "audit.read.files", "audit.tell.report"},
    "audit": {"audit.api", "audit.given", "audit.read", "audit.judge", "audit.tell"},
}
#: The same for packages, whose own modules may import each other. A reader knows what it fills, a
#: teller what it tells, the judge neither.
PACKAGES = {
    "audit.read": {"audit.judge.case", "audit.judge.weights", "audit.given"},
    "audit.judge": set[str](),
    "audit.tell": {"audit.judge"},
    "integrations": {"audit"},
    "figures": {"", *ENGINE, "audit"},
    "sitebuild": {"", *ENGINE, "audit", "figures"},
}
#: And for the package itself, "", and the command that runs it.
TOP = {"": {*ENGINE, "audit"}, "__main__": {"audit.cli"}}
ARROWS = {**ENGINE, **AUDIT, **PACKAGES, **TOP}
#: A report draws itself only when asked, so it imports its figure inside a function.
LAZY = {("audit.tell.report", "figures")}


@dataclass(frozen=True)
class Import:
    """One import: which module it stands in, what it names, and whether inside a function."""

    module: str
    target: str
    lazy: bool


def sources() -> dict[str, str]:
    """Return every module of the package with its text, "" being the package itself."""
    found = {}
    for path in sorted((ROOT / NAME).rglob("*.py")):
        parts = path.relative_to(ROOT / NAME).with_suffix("").parts
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


def within(target: str, modules: dict[str, str]) -> str | None:
    """Return the module of the package that an import names, None for another package's."""
    if _top(target) != NAME:
        return None
    inner = target.removeprefix(NAME).lstrip(".")
    while inner and inner not in modules:  # the last part may be a name in a module
        inner = inner.rpartition(".")[0]
    return inner


def faults(modules: dict[str, str]) -> list[str]:
    """Name each import that no arrow allows, each loop, and each module that has no arrows."""
    found = [one for module, text in modules.items() for one in imports(module, text)]
    said = [f"{module} has no place yet" for module in modules if _group(module) is None]
    for one in found:
        inner = within(one.target, modules)
        if one.target.startswith("."):
            said.append(f"{one.module} imports {one.target}: relative")
        elif inner is None and not _is_installed(one):
            said.append(f"{one.module} imports {one.target}: not declared")
        elif inner is not None and not _is_allowed(one, inner):
            said.append(f"{one.module or NAME} imports {inner or NAME}: no arrow")
    return said + _loops(found, modules)


def _group(module: str) -> str | None:
    """Return the row of ARROWS that a module falls under: its own, or its package's."""
    if module in ARROWS:
        return module
    return next((name for name in PACKAGES if _covers(name, module)), None)


def _covers(name: str, module: str) -> bool:
    """Tell whether a name is a module's own or that of a package it is in."""
    return module == name or (bool(name) and module.startswith(f"{name}."))


def _top(name: str) -> str:
    return name.partition(".")[0]


def _is_allowed(one: Import, inner: str) -> bool:
    here, there = _group(one.module), _group(inner)
    if here == there:
        return here in PACKAGES
    if one.lazy and (one.module, there) in LAZY:
        return True
    return any(_covers(name, inner) for name in ARROWS.get(here or "", ()))


def _is_installed(one: Import) -> bool:
    """Tell whether installing the module brings what it imports; what builds the site may more."""
    group = _group(one.module)
    declared = [*PROJECT["dependencies"]]
    if group == "figures" or (one.module, "figures") in LAZY:
        declared += PROJECT["optional-dependencies"]["figures"]
    known = {re.split(r"[^\w-]", requirement)[0] for requirement in declared}
    if group == "integrations":  # a framework's is imported only by those who have it
        known |= {"torch", one.module.rpartition(".")[2]}
    return group == "sitebuild" or _top(one.target) in {*known, *sys.stdlib_module_names}


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
        return [f"a loop: {' → '.join(name or NAME for name in imported)}"]
    return []


def test_every_import_follows_an_arrow() -> None:
    modules = sources()
    assert {"network", "gradients", "shortcut", "figures.chord", "sitebuild.pages"} <= {*modules}
    assert faults(modules) == []


@pytest.mark.parametrize(
    ("module", "line", "said"),
    [
        (
            "network",
            "from gradexplain.gradients import batch_gradient",
            "network imports gradients",
        ),
        ("shortcut", "from gradexplain import gradients", "shortcut imports gradients"),
        ("gradients", "import gradexplain.shortcut", "gradients imports shortcut"),
        ("gradients", "from .shortcut import averaged_backprop", "gradients imports .shortcut"),
        ("means", "from gradexplain import MLP", "means imports gradexplain"),
        ("line", "from gradexplain.figures.chord import chord", "line imports figures.chord"),
        ("line", "from gradexplain.sitebuild.pages import prose", "line imports sitebuild.pages"),
        ("figures.chord", "from gradexplain.sitebuild import svg", "imports sitebuild.svg"),
        ("", "from gradexplain.figures.chord import chord", "gradexplain imports figures.chord"),
        ("audit.read.gram", "from gradexplain.network import Gradient", "gram imports network"),
        ("audit.read.gram", "from gradexplain.arrays import Array", "gram imports arrays"),
        ("audit.read.gram", "import scipy.linalg", "gram imports scipy.linalg: not declared"),
        ("audit.read.fit", "def f():\n    import gradexplain.figures.chord", "figures.chord"),
        ("audit.read.fit", "from gradexplain.audit.judge.decide import decide", "judge.decide"),
        ("audit.read.fit", "from gradexplain.audit.judge import Case", "imports audit.judge"),
        ("audit.read.fit", "from gradexplain.audit.tell.words import TITLES", "tell.words"),
        ("audit.read.fit", "from gradexplain.audit.api import P", "imports audit.api"),
        ("audit.read.fit", "from gradexplain.audit import Report", "imports audit"),
        ("audit.judge.case", "from gradexplain.audit.read.gram import Gram", "read.gram"),
        ("audit.judge.case", "from gradexplain.audit.tell.words import TITLES", "tell.words"),
        ("audit.judge.case", "from gradexplain.audit.given import Term", "audit.given"),
        ("audit.judge.case", "import gradexplain.audit.judge.decide", "a loop: audit.judge"),
        ("audit.tell.words", "from gradexplain.audit.read.gram import Gram", "read.gram"),
        ("audit.tell.words", "from gradexplain.audit.given import Term", "audit.given"),
        ("audit.tell.report", "from gradexplain.figures.chord import chord", "figures.chord"),
        ("audit.given", "from gradexplain.audit.read.gram import Gram", "read.gram"),
        ("audit.given", "from gradexplain.audit.api import P", "imports audit.api"),
        ("audit.api", "from gradexplain.audit.cli import main", "api imports audit.cli"),
        ("audit.helpers", "", "audit.helpers has no place yet"),
        ("network", "from gradexplain.audit.given import Term", "network imports audit.given"),
        ("line", "from matplotlib.figure import Figure", "line imports matplotlib.figure.Figure"),
        ("line", "def f():\n    import torch", "line imports torch: not declared"),
        ("figures.chord", "import scipy", "figures.chord imports scipy: not declared"),
        ("integrations.torch", "import tensorflow", "integrations.torch imports tensorflow"),
        ("network", "if TYPE_CHECKING:\n    import gradexplain.line", "network imports line"),
        ("helpers", "", "helpers has no place yet"),
    ],
)
def test_an_import_against_the_arrows_is_noticed(module: str, line: str, said: str) -> None:
    modules = sources()
    modules[module] = modules.get(module, "") + "\n" + line
    assert [fault for fault in faults(modules) if said in fault], faults(modules)


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("audit.read.gram", "import numpy as np\nfrom jaxtyping import Float"),
        ("audit.read.gram", "from gradexplain.audit.read.tensors import x"),
        ("audit.read.gram", "from gradexplain.audit.judge.weights import x"),
        ("audit.tell.report", "from gradexplain.audit.judge import x"),
        ("audit.tell.report", "def plot():\n    from gradexplain.figures.chord import chord"),
        ("audit.cli", "from gradexplain.audit.api import x"),
        ("ledger", "from gradexplain.gradients import batch_gradient"),
        ("integrations.torch", "import torch\nfrom gradexplain.audit.tell.report import Report"),
        ("figures.chord", "import matplotlib.figure"),
    ],
)
def test_an_import_along_the_arrows_passes(module: str, line: str) -> None:
    modules = sources()
    modules[module] = modules.get(module, "") + "\n" + line
    assert faults(modules) == []


def test_a_loop_is_noticed_though_every_arrow_is_allowed() -> None:
    modules = sources()
    modules["figures.chord"] += "\nimport gradexplain.figures.circle"
    modules["figures.circle"] += "\nimport gradexplain.figures.chord"
    (said,) = faults(modules)
    assert said.startswith("a loop: figures.")
    assert "chord → figures.circle" in said
    assert "circle → figures.chord" in said


def test_every_module_is_read() -> None:
    read = {ROOT / NAME / Path(*module.split(".")) for module in sources() if module}
    files = [path for path in (ROOT / NAME).rglob("*.py") if path.name != "__init__.py"]
    assert files
    assert {path.with_suffix("") for path in files} <= read
