"""The built site, made once for all who read it."""

from pathlib import Path

import pytest
from building import build


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("site"), "https://example.org/some/where/")
