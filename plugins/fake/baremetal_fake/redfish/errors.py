"""Redfish errors: messages of the Base registry with extended information.

The message names are those of the Base message registry of DMTF (DSP8011).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

REGISTRY = "Base.1.16"


class RedfishError(Exception):
    """Error that becomes the answer to a request."""

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
        """Return the body of the answer."""
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
    """Return the error of a path without a resource."""
    return RedfishError(404, "ResourceMissingAtURI", f"The resource at the URI {path} was not found.", args=[path])


def wrong_method(method: str, allowed: Iterable[str]) -> RedfishError:
    """Return the error of a *method* that the resource does not support."""
    names = ", ".join(allowed)
    text = f"The resource does not support the method {method}; it supports {names}."
    return RedfishError(405, "OperationNotAllowed", text, headers={"Allow": names})


def no_session(text: str = "There is no valid session established with the implementation.") -> RedfishError:
    """Return the error of a request without valid credentials."""
    return RedfishError(401, "NoValidSession", text, headers={"WWW-Authenticate": 'Basic realm="simulated BMC"'})


def unknown_property(name: str) -> RedfishError:
    """Return the error of a property that the resource does not have."""
    text = f"The property {name} is not a property of the resource."
    return RedfishError(400, "PropertyUnknown", text, args=[name], related=[f"#/{name}"])


def read_only_property(name: str) -> RedfishError:
    """Return the error of a property that cannot be written."""
    text = f"The property {name} is read only."
    return RedfishError(400, "PropertyNotWritable", text, args=[name], related=[f"#/{name}"])


def wrong_type(name: str, value: Any, wanted: str) -> RedfishError:
    """Return the error of a property value with the wrong type."""
    text = f"The value {value!r} for the property {name} is not of the type {wanted}."
    return RedfishError(400, "PropertyValueTypeError", text, args=[str(value), name], related=[f"#/{name}"])


def not_in_list(name: str, value: Any, allowed: Iterable[str]) -> RedfishError:
    """Return the error of a property value that is not one of the allowed values."""
    text = f"The value {value!r} for the property {name} is not in the list of acceptable values: {', '.join(allowed)}."
    return RedfishError(400, "PropertyValueNotInList", text, args=[str(value), name], related=[f"#/{name}"])


def missing_parameter(action: str, name: str) -> RedfishError:
    """Return the error of an action without a required parameter."""
    text = f"The action {action} requires the parameter {name} to be present."
    return RedfishError(400, "ActionParameterMissing", text, args=[action, name], related=[f"#/{name}"])


def unknown_parameter(action: str, name: str) -> RedfishError:
    """Return the error of a parameter that the action does not have."""
    text = f"The action {action} has no parameter {name}."
    return RedfishError(400, "ActionParameterUnknown", text, args=[action, name], related=[f"#/{name}"])
