"""RPC method that describes the hardware types of a conductor."""

from __future__ import annotations

from baremetal_sdk.drivers.catalog import DriverCatalog
from baremetal_sdk.rpc.registry import rpc_method


class DriverCatalogue:
    """RPC service that describes the options of a conductor's hardware types."""

    def __init__(self, drivers: DriverCatalog) -> None:
        self._drivers = drivers

    @rpc_method("1.0")
    def driver_properties(self, driver: str) -> dict[str, str]:
        """Return the options of ``driver_info`` (name -> help) of all implementations that nodes of *driver* can have."""
        options = (option for info_type in self._drivers.list_info_types(driver) for option in info_type.options())
        return {option.name: option.help + (" Required." if option.required else "") for option in options}
