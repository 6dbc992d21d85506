"""Entry point of ``python -m metald``, which is equivalent to the command ``metald``."""

from __future__ import annotations

import sys

from metald.cli import main

if __name__ == "__main__":
    sys.exit(main())
