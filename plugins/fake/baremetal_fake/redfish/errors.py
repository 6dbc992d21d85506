"""Error answers of a simulated Redfish BMC: messages of DMTF's Base message registry (DSP8011) with extended information."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

REGISTRY = "Base.1.16"
"""Name and version of the message registry that the message identifiers belong to."""


class RedfishError(Exception):
    """Error that the simulated BMC sends to its client as the answer to a request.

    *status* is the HTTP status and *message_id* the name of the message in the Base registry. *args* are the arguments of
    the message, *related* the JSON pointers of the properties at fault, and *headers* further HTTP headers of the answer.
    """

    def __init__(
        self,
        status: int,
        message_id: str,
        message: str,
        *,
        args: Sequence[str] = (),
        related: Sequence[str] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message_id = message_id
        self.message = message
        self.message_args = list(args)
        self.related = list(related)
        self.headers = dict(headers or {})

    def body(self) -> dict[str, Any]:
        """Return the JSON body of the error answer."""
        info: dict[str, Any] = {
            "@odata.type": "#Message.v1_1_2.Message",
            "MessageId": f"{REGISTRY}.{self.message_id}",
            "Message": self.message,
            "MessageArgs": self.message_args,
            "Severity": "Critical",
            "MessageSeverity": "Critical",
            "Resolution": "None.",
        }
        if self.related:
            info["RelatedProperties"] = self.related
        return {"error": {"code": f"{REGISTRY}.{self.message_id}", "message": self.message, "@Message.ExtendedInfo": [info]}}


def missing_resource(path: str) -> RedfishError:
    """Return the error (HTTP 404) for a request to *path*, where no resource exists."""
    return RedfishError(404, "ResourceMissingAtURI", f"The resource at the URI {path} was not found.", args=[path])


def wrong_method(method: str, allowed: Iterable[str]) -> RedfishError:
    """Return the error (HTTP 405) for a *method* that the resource does not support. It lists the *allowed* methods."""
    names = ", ".join(allowed)
    text = f"The resource does not support the method {method}; it supports {names}."
    return RedfishError(405, "OperationNotAllowed", text, headers={"Allow": names})


def no_session(text: str = "There is no valid session established with the implementation.") -> RedfishError:
    """Return the error (HTTP 401) for a request without valid credentials or with an unknown session token."""
    return RedfishError(401, "NoValidSession", text, headers={"WWW-Authenticate": 'Basic realm="simulated BMC"'})


def unknown_property(name: str) -> RedfishError:
    """Return the error (HTTP 400) for a request that sets the property *name*, which the resource does not have."""
    text = f"The property {name} is not a property of the resource."
    return RedfishError(400, "PropertyUnknown", text, args=[name], related=[f"#/{name}"])


def read_only_property(name: str) -> RedfishError:
    """Return the error (HTTP 400) for a request that sets the property *name*, which cannot be written."""
    text = f"The property {name} is read only."
    return RedfishError(400, "PropertyNotWritable", text, args=[name], related=[f"#/{name}"])


def wrong_type(name: str, value: Any, wanted: str) -> RedfishError:
    """Return the error (HTTP 400) for a property *name* whose *value* is not of the type *wanted*."""
    text = f"The value {value!r} for the property {name} is not of the type {wanted}."
    return RedfishError(400, "PropertyValueTypeError", text, args=[str(value), name], related=[f"#/{name}"])


def not_in_list(name: str, value: Any, allowed: Iterable[str]) -> RedfishError:
    """Return the error (HTTP 400) for a property *name* whose *value* is not one of the *allowed* values."""
    text = f"The value {value!r} for the property {name} is not in the list of acceptable values: {', '.join(allowed)}."
    return RedfishError(400, "PropertyValueNotInList", text, args=[str(value), name], related=[f"#/{name}"])


def missing_parameter(action: str, name: str) -> RedfishError:
    """Return the error (HTTP 400) for a call of *action* without the required parameter *name*."""
    text = f"The action {action} requires the parameter {name} to be present."
    return RedfishError(400, "ActionParameterMissing", text, args=[action, name], related=[f"#/{name}"])


def unknown_parameter(action: str, name: str) -> RedfishError:
    """Return the error (HTTP 400) for a call of *action* with the parameter *name*, which the action does not have."""
    text = f"The action {action} has no parameter {name}."
    return RedfishError(400, "ActionParameterUnknown", text, args=[action, name], related=[f"#/{name}"])
