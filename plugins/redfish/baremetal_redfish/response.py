"""Response of a Redfish service in the form that sushy expects: decoded once, and errors reduced to the specified fields."""

from __future__ import annotations

from typing import Any

from baremetal_interfaces.http import BadAnswer, HTTPResponse

_NOT_DECODED = object()


class RedfishResponse:
    """Response in the form that sushy expects."""

    def __init__(self, response: HTTPResponse) -> None:
        self.status_code = response.status
        self.headers = response.headers
        self.content = response.body
        self._response = response
        self._document: Any = _NOT_DECODED

    @property
    def text(self) -> str:
        """The body as text."""
        return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        """Return the body as a JSON value, decoded on first use. Raises ValueError if the body is not a usable document.

        The body of an error is reduced to the fields and types of the specification, because sushy does not check them.
        """
        if self._document is _NOT_DECODED:
            try:
                value = self._response.json()
            except BadAnswer as exc:
                raise ValueError(str(exc)) from None
            self._document = value if self.status_code < 400 else _clean_error_body(value)
        return self._document


def _clean_error_body(value: Any) -> dict[str, Any]:
    """Return an error's body without the fields whose type differs from the specification (DSP0266, 8.6)."""
    error = value.get("error") if isinstance(value, dict) else None
    if not isinstance(error, dict):
        raise ValueError("the body of the error response does not follow the Redfish specification")
    clean: dict[str, Any] = {name: error[name] for name in ("code", "message") if isinstance(error.get(name), str)}
    messages = error.get("@Message.ExtendedInfo")
    messages = [messages] if isinstance(messages, dict) else messages
    if isinstance(messages, list):
        clean["@Message.ExtendedInfo"] = [message for message in messages if isinstance(message, dict)]
    return {"error": clean}
