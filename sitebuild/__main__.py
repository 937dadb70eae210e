"""Check a built site, whatever built it: `python -m sitebuild site/` names each step left out."""

import sys
from pathlib import Path

from sitebuild.steps import left_out

if __name__ == "__main__":
    sys.exit("\n".join(left_out(Path(sys.argv[1]))) or 0)
