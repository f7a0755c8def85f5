"""`python -m scenarios`."""

import sys

from scenarios.command.main import main

if __name__ == "__main__":
    sys.exit(main())
