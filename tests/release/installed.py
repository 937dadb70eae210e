"""A plugin of pytest for the tests of the wheel: it is the wheel, and its docstrings run too."""

import importlib.metadata
import os
import sys
from pathlib import Path

import pytest
from sybil import Sybil
from sybil.document import PythonDocStringDocument
from sybil.parsers.rest import DocTestParser

import gradexplain

HERE = Path(gradexplain.__file__).parent
pytest_collect_file = Sybil(
    parsers=[DocTestParser()],
    pattern="*.py",
    path=str(HERE),
    excludes=["plotting.py", "integrations/*"],  # they need what only their users have
    document_types={".py": PythonDocStringDocument},
).pytest()


def pytest_sessionstart() -> None:
    """Stop unless the wheel is what is tested, with the versions that were asked for."""
    if not HERE.is_relative_to(sys.prefix):
        pytest.exit(f"gradexplain must come from the wheel in {sys.prefix}, not from {HERE}", 1)
    for wanted in os.environ["WANTED"].split():
        name = wanted.partition("==")[0]
        if (found := f"{name}=={importlib.metadata.version(name)}") != wanted:
            pytest.exit(f"gradexplain must be tested with {wanted}, not with {found}", 1)
