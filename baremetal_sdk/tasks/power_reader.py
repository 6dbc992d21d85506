"""The lean read of a node's power: what it needs is worked out once, and then it is one request over a kept session."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from baremetal_interfaces import BareMetalError, Deadline, Endpoint, PowerSampling, PowerState
from baremetal_interfaces.faults import translate
from baremetal_sdk.bmc import BMCAccess, BMCCredential, retry_on_expired_session


class PowerReader:
    """Reads the power of one node, again and again, for as long as nothing of the node changes."""

    __slots__ = ("_access", "_account", "_power", "_target", "is_current")

    def __init__(
        self, power: PowerSampling[Any], target: Any, access: BMCAccess, account: BMCCredential, is_current: Callable[[], bool]
    ) -> None:
        self._power = power
        self._target = target
        self._access = access
        self._account = account
        self.is_current = is_current
        """Tells whether the secrets that the host application keeps are still those that are used."""

    @property
    def endpoint(self) -> Endpoint:
        """Where the BMC is."""
        return self._account.bmc.endpoint

    @property
    def backed_off(self) -> float:
        """Seconds until the BMC is tried again, where it is away; else 0."""
        return self._account.bmc.connect_breaker.backed_off

    def read(self, deadline: Deadline, *, wait: bool = True) -> PowerState | None:
        """What the machine says; None where the driver wants to be asked by ``get_power_state``.

        Raises an error of the contract without a secret in it; ``SlotTaken`` without *wait* where others are served.
        """
        try:
            return retry_on_expired_session(lambda: self.read_once(deadline, wait=wait))
        except BareMetalError:
            raise
        except Exception as exc:
            failure = translate(exc, connector=None, endpoint=None, secrets=self._account.secrets)
        raise failure

    def read_once(self, deadline: Deadline, *, wait: bool = True) -> PowerState | None:
        """The read itself, with whatever it raises."""
        with self._access.borrow_with(self._account, deadline, wait=wait) as session:
            return self._power.sample_power(session, self._target, deadline)
