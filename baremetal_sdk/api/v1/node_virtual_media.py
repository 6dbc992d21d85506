"""``/v1/nodes/{node}/vmedia``: images that a BMC shows to its machine as devices."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from baremetal_interfaces import VirtualMediaDevice
from baremetal_sdk.api.framework.parameters import Parameter, optional
from baremetal_sdk.api.framework.request import APIRequest
from baremetal_sdk.api.framework.routes import route
from baremetal_sdk.api.framework.types import STRINGS, InvalidValue, ValueType, choice, text

SINCE = 89
READ_SINCE = 93
SCHEMES = ("http", "https", "nfs", "cifs")
_DEVICES = tuple(map(str, VirtualMediaDevice))
_SOURCES = ("http", "local", "swift")
_URL_TEXT = text(4096, 1)


def _url(value: Any) -> str:
    """A URL that a BMC can read. It is not repeated in a refusal: it may hold a password."""
    given: str = _URL_TEXT.parse(value)
    try:
        scheme, host = urlsplit(given).scheme, urlsplit(given).hostname
    except ValueError:
        raise InvalidValue("it is not a valid URL", "give one with " + ", ".join(SCHEMES)) from None
    if scheme not in SCHEMES:
        raise InvalidValue(f"its scheme is {scheme[:16]!r}", "one of " + ", ".join(SCHEMES))
    if not host:
        raise InvalidValue("it has no host", "give one that the BMC can reach")
    return given


def _devices(value: Any) -> tuple[str, ...]:
    names: tuple[str, ...] = STRINGS.parse(value)
    unknown = [name for name in names if name not in _DEVICES]
    if unknown:
        raise InvalidValue(f"{unknown[0][:64]!r} is not known", "known are " + ", ".join(_DEVICES))
    return names


_SEVERAL = ValueType(_devices, {"type": "array", "items": {"enum": list(_DEVICES)}})


class NodeVirtualMediaResource:
    """Virtual media of a machine."""

    @route("GET", "/v1/nodes/{node}/vmedia", policy="baremetal:node:vmedia:get", since=READ_SINCE)
    def show(self, request: APIRequest) -> list[dict[str, Any]]:
        """List the virtual media devices of a machine, and what is in them."""
        found: list[dict[str, Any]] = request.rpc("get_virtual_media", node=request.node().uuid)
        return found

    @route(
        "POST",
        "/v1/nodes/{node}/vmedia",
        policy="baremetal:node:vmedia:attach",
        role="leased-member",
        status=204,
        since=SINCE,
        body=(
            Parameter("device_type", choice(*_DEVICES), "The device that the image is shown as.", required=True),
            Parameter(
                "image_url", ValueType(_url, {"type": "string", "format": "uri"}), "Where the BMC finds the image.", required=True
            ),
            optional("image_download_source", choice(*_SOURCES), "Taken for the sake of clients: the BMC reads the URL itself."),
        ),
    )
    def attach(self, request: APIRequest) -> None:
        """Attach an image to a machine."""
        asked = request.body
        request.rpc(
            "attach_virtual_media", node=request.node().uuid, device_type=asked["device_type"], image_url=asked["image_url"]
        )

    @route(
        "DELETE",
        "/v1/nodes/{node}/vmedia",
        policy="baremetal:node:vmedia:detach",
        role="leased-member",
        status=204,
        since=SINCE,
        query=(
            Parameter(
                "device_types",
                _SEVERAL,
                "The devices, with commas between them; or all.",
            ),
        ),
    )
    def detach(self, request: APIRequest) -> None:
        """Detach images from a machine."""
        request.rpc("detach_virtual_media", node=request.node().uuid, device_types=request.query.get("device_types"))
