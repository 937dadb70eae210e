"""`python -m gradexplain`: the command line."""

import sys

from gradexplain.audit.cli import main

if __name__ == "__main__":
    sys.exit(main())
