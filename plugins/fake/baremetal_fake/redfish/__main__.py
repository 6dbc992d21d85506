"""Entry point of the command ``python -m baremetal_fake.redfish``, which runs the Redfish test service."""

from __future__ import annotations

import sys

from baremetal_fake.redfish.command import main

if __name__ == "__main__":
    sys.exit(main())
