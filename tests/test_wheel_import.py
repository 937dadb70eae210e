"""What `import gradexplain` brings along: NumPy and the types, no framework, figure or command."""

import json
import subprocess
import sys

import pytest

LIST = """
import json, sys
{}
before = set(sys.modules)
{}
print(json.dumps([*set(sys.modules) - before]))
"""
#: Slow to import, and never needed for the engine or for an audit from Python.
SLOW = {"argparse", "asyncio", "concurrent", "http", "multiprocessing", "ssl", "unittest", "urllib"}


def brought(statement: str, before: str = "import numpy, numpy.random, jaxtyping") -> set[str]:
    """Return the modules that a fresh Python imports for a statement, beyond those of `before`."""
    command = [sys.executable, "-c", LIST.format(before, statement)]
    return set(json.loads(subprocess.check_output(command, text=True)))


def strangers(modules: set[str]) -> set[str]:
    """Return what is neither the package's, nor NumPy's, nor cheap and Python's own."""
    tops = {name.partition(".")[0] for name in modules}
    known = {"gradexplain", "numpy", "jaxtyping", *sys.stdlib_module_names} - SLOW
    return {top for top in tops - known if "cython" not in top}  # as NumPy's compiled parts bring


def test_the_package_brings_numpy_and_the_types_and_nothing_slow() -> None:
    found = brought("import gradexplain")
    assert strangers(found) == set()
    own = {name.removeprefix("gradexplain.") for name in found if name.startswith("gradexplain.")}
    assert {"network", "ledger", "audit.api"} <= own
    late = ("audit.cli", "figures", "integrations", "sitebuild")
    assert [name for name in own if name.startswith(late)] == []


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("import gradexplain, argparse", "argparse"),
        ("import gradexplain, sybil", "sybil"),
        ("import gradexplain.audit.cli", "argparse"),
    ],
)
def test_what_should_not_come_along_is_noticed(statement: str, said: str) -> None:
    assert said in strangers(brought(statement, "import numpy"))
