"""``driver_info`` as a dataclass. Help texts, validation, JSON schema and redaction follow from one declaration."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, ClassVar, NamedTuple, Self

from baremetal_interfaces.connector import Endpoint, MachineAddress
from baremetal_interfaces.errors import InvalidInput, Problem
from baremetal_interfaces.secret_fields import MASK

_KEY = "baremetal_interfaces.option"
_TRUE = frozenset({"true", "yes", "on", "1", "t", "y"})
_FALSE = frozenset({"false", "no", "off", "0", "f", "n"})
_JSON_NAMES: dict[type, str] = {str: "string", int: "integer", float: "number", bool: "boolean", dict: "object"}


class Option(NamedTuple):
    """A declared option. The fields are the parameters of :func:`option`; *type* is the type without ``| None``."""

    name: str
    help: str
    type: type
    required: bool
    default: Any
    secret: bool
    choices: tuple[Any, ...]
    minimum: float | None
    maximum: float | None


def option(
    help: str,
    *,
    default: Any = dataclasses.MISSING,
    secret: bool = False,
    choices: Iterable[Any] = (),
    minimum: float | None = None,
    maximum: float | None = None,
) -> Any:
    """Declare an option of a :class:`DriverInfo`.

    *help* is the description for users. An option without a *default* is required. A *secret* never leaves the conductor: it
    is masked in responses and removed from errors and logs. *choices* are the allowed values, *minimum* and *maximum* the
    limits of a number, both included.
    """
    metadata = {_KEY: {"help": help, "secret": secret, "choices": tuple(choices), "minimum": minimum, "maximum": maximum}}
    return dataclasses.field(default=default, kw_only=True, metadata=metadata, repr=not secret)


@cache
def _options_of(info_type: type[DriverInfo]) -> tuple[Option, ...]:
    hints = typing.get_type_hints(info_type)
    return tuple(
        Option(
            name=field.name,
            type=_plain_type(hints[field.name]),
            required=field.default is dataclasses.MISSING,
            default=None if field.default is dataclasses.MISSING else field.default,
            **field.metadata[_KEY],
        )
        for field in dataclasses.fields(info_type)
        if _KEY in field.metadata
    )


def _plain_type(hint: Any) -> type:
    """Return the type in an annotation such as ``int | None``."""
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        hint = next(arg for arg in typing.get_args(hint) if arg is not type(None))
    plain: type = typing.get_origin(hint) or hint
    return plain


@dataclasses.dataclass(frozen=True)
class DriverInfo:
    """Base class of typed ``driver_info``. A subclass is a frozen dataclass whose fields are made by :func:`option`."""

    address_option: ClassVar[str | None] = None
    """Name of the option with the address of the BMC; by default the first option whose name ends in ``_address``."""

    @classmethod
    def options(cls) -> tuple[Option, ...]:
        """Return the declared options, in the order of their declaration."""
        return _options_of(cls)  # type: ignore[arg-type]  # a class is hashable even if its instances are not

    @classmethod
    def secrets(cls) -> frozenset[str]:
        """Return the names of the secret options."""
        return frozenset(option.name for option in cls.options() if option.secret)

    @classmethod
    def problems(cls, raw: Mapping[str, Any]) -> list[Problem]:
        """Return all problems of *raw*, the node's ``driver_info``; empty if it is valid. Undeclared options are ignored."""
        return cls._parse_and_check(raw)[1]

    @classmethod
    def parse(cls, raw: Mapping[str, Any]) -> Self:
        """Return the instance for *raw*, the node's ``driver_info``. Raises :class:`InvalidInput` with all problems of *raw*."""
        info, problems = cls._parse_and_check(raw)
        if info is None:
            raise InvalidInput(problems)
        return info

    @classmethod
    def _parse_and_check(cls, raw: Mapping[str, Any]) -> tuple[Self | None, list[Problem]]:
        values, problems = _parse(cls, raw)
        if problems:
            return None, problems
        info = cls(**values)
        problems = list(info.check())
        return (None if problems else info), problems

    def check(self) -> Iterable[Problem]:
        """Return problems that the check of each single option does not find, such as invalid combinations.

        By default there are none. The method is called only if each option alone is valid.
        """
        return ()

    @classmethod
    def find_machine(cls, raw: Mapping[str, Any]) -> MachineAddress | None:
        """Return the address of the machine that *raw*, the node's ``driver_info``, selects. The default returns None: unknown.

        The runtime reports nodes with the same address. *raw* may be invalid, and has masks in place of its secrets.
        """
        return None

    def endpoint(self) -> Endpoint:
        """Return the address of the BMC and the account there.

        The default reads the first options that end in ``_address``, ``_port`` and ``_username``, and sets no TLS options.
        """
        return Endpoint(
            scheme="",
            host=str(_by_suffix(self, "_address") or ""),
            port=_by_suffix(self, "_port"),
            account=_by_suffix(self, "_username"),
            tls=None,
        )


def _by_suffix(info: DriverInfo, suffix: str) -> Any:
    if suffix == "_address" and info.address_option:
        return getattr(info, info.address_option)
    for opt in info.options():
        if opt.name.endswith(suffix):
            return getattr(info, opt.name)
    return None


def _parse(cls: type[DriverInfo], raw: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for opt in cls.options():
        if raw.get(opt.name) is None:
            if opt.required:
                problems.append(Problem(f"driver_info/{opt.name}", "is required", opt.help))
            continue
        try:
            values[opt.name] = _check_bounds(opt, _convert(opt, raw[opt.name]))
        except ValueError as exc:
            problems.append(Problem(f"driver_info/{opt.name}", _describe_invalid(opt, raw[opt.name]), str(exc)))
    return values, problems


def _describe_invalid(opt: Option, value: Any) -> str:
    """Return the description of an invalid value; it does not contain the value of a secret."""
    return "is not valid" if opt.secret else f"{value!r} is not valid"


def _convert(opt: Option, value: Any) -> Any:
    """Return *value* as the option's type. Raises ValueError if it is not convertible. Clients may send numbers as text."""
    if opt.type is bool:
        return _boolean(value)
    if opt.type in (int, float) and isinstance(value, str | int | float) and not isinstance(value, bool):
        try:
            number = opt.type(value)
            # Reject infinity and NaN, and a fraction for an integer.
            if number - number != 0 or (isinstance(value, float) and number != value):
                raise ValueError
            return number
        except (ValueError, OverflowError):
            raise ValueError(f"it has to be a number ({_JSON_NAMES[opt.type]})") from None
    if isinstance(value, opt.type) and not isinstance(value, bool):
        return value
    if opt.type is str and isinstance(value, int | float) and not isinstance(value, bool):
        return _number_as_text(opt, value)
    raise ValueError(f"it has to be of type {_JSON_NAMES.get(opt.type, opt.type.__name__)}")


def _number_as_text(opt: Option, value: float) -> str:
    """Return *value*, a number for a text option, as text. JSON does not distinguish 2 from 2.0, so it becomes an equal choice.

    Raises ValueError for a number whose digits are lost, such as a password of 20 digits that was read as a float.
    """
    for choice in opt.choices:
        if isinstance(choice, str) and _is_number(choice) and float(choice) == value:
            return choice
    text = str(value)
    if isinstance(value, float) and not text.replace(".", "", 1).lstrip("-").isdigit():
        raise ValueError("it has to be of type string: the digits of this number are not exact")
    return text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    raise ValueError("it has to be true or false")


def _check_bounds(opt: Option, value: Any) -> Any:
    if opt.type is str and opt.required and not value:
        raise ValueError("it must not be empty")
    if opt.choices and value not in opt.choices:
        raise ValueError("it has to be one of " + ", ".join(map(str, opt.choices)))
    if opt.minimum is not None and value < opt.minimum:
        raise ValueError(f"it has to be at least {opt.minimum:g}")
    if opt.maximum is not None and value > opt.maximum:
        raise ValueError(f"it has to be at most {opt.maximum:g}")
    return value


def schema(info_types: Iterable[type[DriverInfo]]) -> dict[str, Any]:
    """Return the JSON schema of a ``driver_info`` with the options of all *info_types*."""
    options = {opt.name: opt for info_type in info_types for opt in info_type.options()}
    return {
        "type": "object",
        "properties": {opt.name: _option_schema(opt) for opt in options.values()},
        "required": sorted(opt.name for opt in options.values() if opt.required),
    }


def _option_schema(opt: Option) -> dict[str, Any]:
    described: dict[str, Any] = {"type": _JSON_NAMES.get(opt.type, "string"), "description": opt.help}
    if opt.choices:
        described["enum"] = list(opt.choices)
    if opt.minimum is not None:
        described["minimum"] = opt.minimum
    if opt.maximum is not None:
        described["maximum"] = opt.maximum
    if opt.secret:
        described["writeOnly"] = True
    return described


def redact(info_types: Iterable[type[DriverInfo]], raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of *raw* with the secrets that *info_types* declare replaced by :data:`MASK`."""
    secret = frozenset().union(*(info_type.secrets() for info_type in info_types))
    return {name: MASK if name in secret and value is not None else value for name, value in raw.items()}
