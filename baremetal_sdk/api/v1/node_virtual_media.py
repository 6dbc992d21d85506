"""API resource ``/v1/nodes/{node}/vmedia``: virtual media, images that a BMC presents to its machine as devices."""

from __future__ import annotations

from typing import Any

from baremetal_interfaces import VirtualMediaDevice
from baremetal_interfaces.addresses import split_url
from baremetal_sdk.api.framework.parameters import Parameter, optional
from baremetal_sdk.api.framework.request import APIRequest
from baremetal_sdk.api.framework.routes import route
from baremetal_sdk.api.framework.types import STRINGS, InvalidValue, ValueType, choice, text

SINCE = 89
READ_SINCE = 93
"""The minor number of the first microversion that lists virtual media."""
SCHEMES = ("http", "https", "nfs", "cifs")
"""The URL schemes of images."""
_DEVICES = tuple(map(str, VirtualMediaDevice))
_SOURCES = ("http", "local", "swift")
_URL_TEXT = text(4096, 1)


def _parse_url(value: Any) -> str:
    """Check the URL of an image and return it. Error messages do not repeat the URL because it may contain a password."""
    url: str = _URL_TEXT.parse(value)
    try:
        parts = split_url(url)
        scheme, host = parts.scheme, parts.hostname
    except ValueError:
        raise InvalidValue("is not a valid URL", "use a URL with one of the schemes " + ", ".join(SCHEMES)) from None
    if scheme not in SCHEMES:
        raise InvalidValue(f"has the unsupported scheme {scheme[:16]!r}", "use one of " + ", ".join(SCHEMES))
    if not host:
        raise InvalidValue("has no host", "use a host that the BMC can reach")
    return url


def _parse_devices(value: Any) -> tuple[str, ...]:
    names: tuple[str, ...] = STRINGS.parse(value)
    unknown = [name for name in names if name not in _DEVICES]
    if unknown:
        raise InvalidValue(f"{unknown[0][:64]!r} is not a device type", "use one of " + ", ".join(_DEVICES))
    return names


_DEVICE_LIST = ValueType(_parse_devices, {"type": "array", "items": {"enum": list(_DEVICES)}})


class NodeVirtualMediaResource:
    """Routes that list, attach and detach virtual media of nodes."""

    @route("GET", "/v1/nodes/{node}/vmedia", policy="baremetal:node:vmedia:get", since=READ_SINCE)
    def show(self, request: APIRequest) -> list[dict[str, Any]]:
        """List the virtual media devices of a node, each with the image that is attached to it."""
        devices: list[dict[str, Any]] = request.rpc("get_virtual_media", node=request.node().uuid)
        return devices

    @route(
        "POST",
        "/v1/nodes/{node}/vmedia",
        policy="baremetal:node:vmedia:attach",
        role="leased-member",
        status=204,
        since=SINCE,
        body=(
            Parameter("device_type", choice(*_DEVICES), "The type of the virtual device.", required=True),
            Parameter(
                "image_url",
                ValueType(_parse_url, {"type": "string", "format": "uri"}),
                "The URL from which the BMC reads the image.",
                required=True,
            ),
            optional(
                "image_download_source",
                choice(*_SOURCES),
                "Has no effect, because the BMC reads the URL itself. It is accepted for compatibility with Ironic.",
            ),
        ),
    )
    def attach(self, request: APIRequest) -> None:
        """Attach an image to a node. The BMC reads the image from the URL and presents it to the machine as a device."""
        device_type, image_url = request.body["device_type"], request.body["image_url"]
        request.rpc("attach_virtual_media", node=request.node().uuid, device_type=device_type, image_url=image_url)

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
                _DEVICE_LIST,
                "The types of the devices whose images are detached, separated by commas. The default is all devices.",
            ),
        ),
    )
    def detach(self, request: APIRequest) -> None:
        """Detach the images from the virtual media devices of a node."""
        request.rpc("detach_virtual_media", node=request.node().uuid, device_types=request.query.get("device_types"))
