"""Entry point of the command ``python -m baremetal_fake.ipmi``, which runs the IPMI test service."""

from __future__ import annotations

import sys

from baremetal_fake.ipmi.command import main

if __name__ == "__main__":
    sys.exit(main())
