"""A call of every public method of a conductor, on a simulated machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from baremetal_interfaces import BareMetalError
from baremetal_sdk.store.records.node import NodeRecord, PortRecord

Call = Callable[..., Any]

MAC = "52:54:00:00:00:01"


def run_all(call: Call, settle: Callable[[], None], machine: str, rack: str) -> dict[str, Any]:
    """Call them all; method -> its result, or the error that it raised."""
    outcomes: dict[str, Any] = {}

    def do(method: str, **arguments: Any) -> Any:
        try:
            outcomes[method] = call(method, **arguments)
        except BareMetalError as exc:
            outcomes[method] = exc
        settle()
        return outcomes[method]

    info = {"fake_machine": machine, "fake_rack": rack}
    interfaces = {"console_interface": "fake", "vendor_interface": "fake"}
    made = do("create_node", values={"driver": "fake-hardware", "name": machine, "driver_info": info, **interfaces})
    if not isinstance(made, NodeRecord):
        raise AssertionError(f"the node was not made: {made!r}")
    node = made.uuid
    do("update_node", node=node, changes={"extra": {"a": [1, None, "x"]}})
    port = do("create_port", values={"node_uuid": node, "address": MAC})
    assert isinstance(port, PortRecord)
    do("update_port", port=port.uuid, changes={"extra": {"b": 1}})
    for method in ("validate_node", "get_boot_device", "get_supported_boot_devices", "get_console", "get_indicators"):
        do(method, node=node)
    for method in ("explain_node", "get_virtual_media", "inject_nmi", "node_vendor_methods", "vif_list"):
        do(method, node=node)
    do("set_boot_device", node=node, device="pxe", persistent=True)
    do("set_boot_mode", node=node, mode="uefi")
    do("set_secure_boot", node=node, enabled=True)
    do("set_console", node=node, enabled=True)
    do("get_indicator_state", node=node, component="chassis", indicator="led")
    do("set_indicator_state", node=node, component="chassis", indicator="led", state="ON")
    do("attach_virtual_media", node=node, device_type="cdrom", image_url="http://192.0.2.1/a.iso")
    do("detach_virtual_media", node=node, device_types=["cdrom"])
    do("vif_attach", node=node, vif={"id": "v1"})
    do("vif_detach", node=node, vif_id="v1")
    do("set_target_raid_config", node=node, target_raid_config={"logical_disks": []})
    for method in ("driver_properties", "driver_vendor_methods", "get_raid_logical_disk_properties"):
        do(method, driver="fake-hardware")
    do("driver_vendor_passthru", driver="fake-hardware", name="x", http_method="GET", arguments={})
    do("vendor_passthru", node=node, name="machine", http_method="GET", arguments={})
    do("change_power_state", node=node, target="power on")
    do("change_provision_state", node=node, verb="manage", arguments={})
    do("set_maintenance", node=node, maintenance=True, reason="a test")
    do("add_node_trait", node=node, trait="CUSTOM_A")
    do("remove_node_trait", node=node, trait="CUSTOM_A")
    do("set_node_traits", node=node, traits=["CUSTOM_B"])
    chassis = do("create_record", kind="chassis", values={"description": "a chassis"})
    do("update_record", kind="chassis", uuid=chassis.uuid, changes={"description": "another"})
    do("delete_record", kind="chassis", uuid=chassis.uuid)
    do("delete_inspection_rules")
    do("lookup_node", addresses=[MAC])
    do("heartbeat", node=node, beat={"callback_url": "https://192.0.2.1:9999", "agent_token": "x"})
    do("continue_inspection", addresses=[MAC], inventory={"interfaces": []}, plugin_data={})
    allocation = do("create_allocation", values={"name": machine, "resource_class": "none"})
    do("delete_allocation", allocation=allocation.uuid)
    do("delete_port", port=port.uuid)
    do("change_power_state", node=node, target="power off")
    do("delete_node", node=node)
    return outcomes


def shape(value: Any) -> Any:
    """What two runs have in common: types, keys, and the text of errors without what is different in each."""
    if isinstance(value, BareMetalError):
        return (type(value).__name__, value.code, value.retry_after, sorted(value.details))
    if isinstance(value, dict):
        return {key: shape(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value).__name__, [shape(one) for one in value]
    return type(value).__name__
