"""The pytest plugin costs nobody anything who does not use it, torch or not."""

import os
import subprocess
import sys
import tomllib

import pytest
from support.pages import ROOT

pytest_plugins = "pytester"

LIST = "import sys, pytest_gradexplain; print(*sys.modules)"


def test_it_is_an_entry_point() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["entry-points"]["pytest11"] == {"pytest_gradexplain": "pytest_gradexplain"}


def test_it_imports_pytest_and_nothing_else() -> None:
    command = [sys.executable, "-c", LIST]
    found = subprocess.check_output(command, cwd=ROOT, text=True).split()
    assert {"gradexplain", "numpy", "torch", "jaxtyping"}.isdisjoint(found)


def test_only_a_test_that_asks_for_it_imports_torch(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{pytester.path}{os.pathsep}{ROOT}")
    pytester.makepyfile(
        torch="raise ImportError('torch was imported')",
        test_two="def test_nothing(): pass\ndef test_step(watched_step): pass",
    )
    result = pytester.runpytest_subprocess("-p", "pytest_gradexplain", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*ImportError: torch was imported"])
