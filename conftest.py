"""For all tests but the browser's: pages and docstrings are tests, and the site is built once."""

from pathlib import Path

import pytest
from support.building import build
from support.collect import docstrings, pages

pytest_collect_file = (pages + docstrings).pytest()


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site once, for all tests that read it."""
    return build(tmp_path_factory.mktemp("site"), "https://example.org/some/where/")
