"""The scripts that show a project's maintainers what was found, without gradexplain."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = sorted((Path(__file__).parents[2] / "docs/practice/live").glob("*.py"))
LONGEST = 40  # lines, so that a maintainer reads it in a minute
_RATIO = re.compile(r"(\d\.\d{4})$", re.MULTILINE)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_measures_the_factor_that_it_explains(script: Path) -> None:
    source = script.read_text("utf-8")
    assert len(source.splitlines()) <= LONGEST
    assert "gradexplain" not in source
    found = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    measured, explained = (float(number) for number in _RATIO.findall(found.stdout))
    assert measured == pytest.approx(explained, abs=1e-4)
    assert abs(measured - 1) > 0.01
