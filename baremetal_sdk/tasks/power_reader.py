"""Reader for frequent reads of a node's power.

The preparation is done once. Each read is then one request over an open session.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from baremetal_interfaces import BareMetalError, Deadline, Endpoint, PowerSampling, PowerState
from baremetal_interfaces.faults import translate
from baremetal_sdk.bmc import BMCAccess, BMCCredential, retry_on_expired_session


class PowerReader:
    """Reader of one node's power with prepared credentials. Valid until the node or its secrets change."""

    __slots__ = ("_access", "_credential", "_power", "_target", "is_current")

    def __init__(
        self, power: PowerSampling[Any], target: Any, access: BMCAccess, credential: BMCCredential, is_current: Callable[[], bool]
    ) -> None:
        self._power = power
        self._target = target
        self._access = access
        self._credential = credential
        self.is_current = is_current
        """Returns whether this reader still uses the current secrets of the host application. If not, create a new reader."""

    @property
    def endpoint(self) -> Endpoint:
        """The address of the BMC."""
        return self._credential.bmc.endpoint

    @property
    def retry_delay(self) -> float:
        """Seconds until the connect breakers of an unreachable BMC allow the next try; 0 if none is open.

        Another caller's probe may still hold this reader off.
        """
        return self._credential.retry_delay

    def read(self, deadline: Deadline, *, wait: bool = True) -> PowerState | None:
        """Read and return the power state. Return None if the caller has to use the driver's ``get_power_state`` instead.

        A read over an expired session is repeated once with a new login. Raises only errors of the contract, without secrets.
        With *wait*, wait for a free request slot of the BMC until *deadline*. Without it, raise ``SlotTaken`` if none is free.
        """
        try:
            return retry_on_expired_session(lambda: self.read_once(deadline, wait=wait))
        except BareMetalError:
            raise
        except Exception as exc:
            failure = translate(exc, connector=None, endpoint=None, secrets=self._credential.secrets)
        # Raised outside of the except block, so that the original exception, which may contain a secret, is not its context.
        raise failure

    def read_once(self, deadline: Deadline, *, wait: bool = True) -> PowerState | None:
        """Read the power state as :meth:`read` does, but without the retry and without translation of the driver's exceptions."""
        with self._access.borrow_with(self._credential, deadline, wait=wait) as session:
            return self._power.sample_power(session, self._target, deadline)
