"""Interfaces and options that put the secret of a token where it does not belong. Each breaks one rule of the kit."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from baremetal_interfaces import DriverError, DriverInfo, InvalidInput, PowerState, Problem, Task, option
from tests.contract import acme


@dataclass(frozen=True)
class TokenInfo(DriverInfo):
    """How a machine is reached with a token. The name of no option contains "password"."""

    acme_address: str = option("Address of the BMC.")
    acme_port: int = option("Port of the BMC.", default=100, minimum=1, maximum=65535)
    acme_token: str = option("Token for the BMC.", secret=True)

    @property
    def acme_password(self) -> str:
        """The token, as acme's connector reads it."""
        return self.acme_token


class TokenPower(acme.AcmePower):
    """Is sound, and logs in with a token."""

    info_type = TokenInfo


class TokenInError(TokenPower):
    """Names the token in the message of an error."""

    def get_power_state(self, task: Task) -> PowerState:
        try:
            return super().get_power_state(task)
        except DriverError as exc:
            raise type(exc)(f"cannot log in with token {task.info('power').acme_token}") from None


class TokenInLog(TokenPower):
    """Writes the token to the log."""

    def get_power_state(self, task: Task) -> PowerState:
        logging.getLogger("baremetal_chatty").debug("logging in with %s", task.info("power").acme_token)
        return super().get_power_state(task)


class TokenInDetails(TokenPower):
    """Puts the token into nested details."""

    def get_power_state(self, task: Task) -> PowerState:
        try:
            return super().get_power_state(task)
        except DriverError as exc:
            raise type(exc)("refused", sent=[{"header": task.info("power").acme_token}]) from None


class TokenInNote(TokenPower):
    """Puts the token into a note of the error."""

    def get_power_state(self, task: Task) -> PowerState:
        try:
            return super().get_power_state(task)
        except DriverError as exc:
            exc.add_note(f"with {task.info('power').acme_token}")
            raise


class TokenInProblem(TokenPower):
    """Names the token in a problem of the validation."""

    def validate(self, task: Any) -> None:
        token = task.info("power").acme_token
        if token != acme.PASSWORD:
            raise InvalidInput([Problem("driver_info/acme_token", f"{token!r} is not known", "a token of the BMC")])


@dataclass(frozen=True)
class ShowingCheck(TokenInfo):
    """Names the token in its check."""

    def check(self) -> Iterable[Problem]:
        if self.acme_token != acme.PASSWORD:
            yield Problem("driver_info/acme_token", f"{self.acme_token} does not begin with tok-", "a token")


class CheckedPower(TokenPower):
    """Has options whose check shows the token."""

    info_type = ShowingCheck
