"""Sybil over the pages, the README and the docstrings: each block runs, each number is checked."""

from pathlib import Path

import pytest
from building import build
from derivations import parse_derivations
from parsers import ROOT, parse_blocks, parse_faults, parse_numbers
from sybil import Sybil
from sybil.document import PythonDocStringDocument
from sybil.parsers.rest import DocTestParser

pages = Sybil(
    parsers=[parse_blocks, parse_numbers, parse_derivations, parse_faults],
    pattern="*.md",
    path=str(ROOT),
)
docstrings = Sybil(
    parsers=[DocTestParser()],
    pattern="*.py",
    path=str(ROOT / "gradexplain"),
    document_types={".py": PythonDocStringDocument},
)

pytest_collect_file = (pages + docstrings).pytest()


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site once, for all tests that read it."""
    return build(tmp_path_factory.mktemp("site"), "https://example.org/some/where/")
