"""Options of the simulated BMCs of a Redfish test service."""

from __future__ import annotations

from dataclasses import dataclass

from baremetal_fake.bmc_account import Account
from baremetal_fake.redfish.task_script import TaskScript


@dataclass(frozen=True)
class BMCOptions:
    """Options that set how the simulated Redfish BMCs of one test service behave."""

    account: Account | None = None
    """Account of the BMC. None: every login is accepted, and requests need no credentials."""
    session_timeout: float = 1800.0
    """Seconds after which an unused session expires."""
    session_limit: int = 64
    """Maximum number of open sessions of one BMC. The BMC answers HTTP 503 to further logins."""
    strict_power: bool = False
    """Whether the BMC answers HTTP 409 to a power command that would not change the power state.

    If false, it accepts the command.
    """
    fetch_images: bool = True
    """Whether InsertMedia asks the image server for the image, and fails if the image does not exist."""
    task_seconds: float | None = None
    """Duration in seconds of the Redfish task that creates or deletes a volume (answer HTTP 202).

    None: no task, an immediate result.
    """
    lockout_after: int | None = None
    """Number of consecutive wrong passwords that lock the account until :meth:`RedfishBMC.unlock`; None: no lockout."""
    parallel_limit: int | None = None
    """Maximum number of requests in flight at one BMC. The BMC answers HTTP 500 to further ones. None: no limit."""
    location_light: bool = False
    """Whether systems show their light as ``LocationIndicatorActive``, as newer BMCs do. If false, they have ``IndicatorLED``."""
    forgets_boot_mode: bool = False
    """Whether a boot override without a mode resets the boot mode to legacy, as some BMCs do."""
    task_script: TaskScript | None = None
    """How the BMC answers about its tasks, if it deviates from the specification."""
    volume_apply_times: tuple[str, ...] = ()
    """Apply times that the BMC lists for volumes. Empty: it lists none."""
