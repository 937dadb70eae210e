"""Build the site as a reader's host would: strict, at an address with a path."""

import os
import subprocess
import sys
from pathlib import Path

from support.pages import ROOT


def build(folder: Path, site_url: str) -> Path:
    """Build into `folder`, and return it; a warning fails."""
    environment = {
        **os.environ,
        "SITE_URL": site_url,
        "SOURCE_DATE_EPOCH": "1700000000",
        "NO_MKDOCS_2_WARNING": "1",
    }
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", str(folder)]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stdout + done.stderr
    return folder
