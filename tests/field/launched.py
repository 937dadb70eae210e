"""Scripts that two workers run under torchrun."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).parent / "scripts"


def torchrun(workers: int) -> list[str]:
    """Return the arguments with which Python starts so many workers on this machine."""
    return ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={workers}"]


def two_workers(script: str) -> Any:
    """Run a script in two processes; return what the first one prints last, as JSON."""
    found = subprocess.run(
        [sys.executable, *torchrun(2), str(SCRIPTS / script)],
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert found.returncode == 0, found.stderr[-4000:]
    return json.loads(found.stdout[found.stdout.index('{"') :])
