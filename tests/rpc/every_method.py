"""Calls of every RPC method of a conductor, on a simulated machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from baremetal_interfaces import BareMetalError
from baremetal_sdk.store.records.node import NodeRecord, PortRecord

Call = Callable[..., Any]

MAC = "52:54:00:00:00:01"


def run_all(call: Call, settle: Callable[[], None], machine: str, rack: str) -> dict[str, Any]:
    """Call all methods, and return the result or the error of each."""
    outcomes: dict[str, Any] = {}

    def run(method: str, **arguments: Any) -> Any:
        try:
            outcomes[method] = call(method, **arguments)
        except BareMetalError as exc:
            outcomes[method] = exc
        settle()
        return outcomes[method]

    info = {"fake_machine": machine, "fake_rack": rack}
    interfaces = {"console_interface": "fake", "vendor_interface": "fake"}
    created = run("create_node", values={"driver": "fake-hardware", "name": machine, "driver_info": info, **interfaces})
    if not isinstance(created, NodeRecord):
        raise AssertionError(f"the node was not created: {created!r}")
    node = created.uuid
    run("update_node", node=node, changes={"extra": {"a": [1, None, "x"]}})
    port = run("create_port", values={"node_uuid": node, "address": MAC})
    assert isinstance(port, PortRecord)
    run("update_port", port=port.uuid, changes={"extra": {"b": 1}})
    for method in ("validate_node", "get_boot_device", "get_supported_boot_devices", "get_console", "get_indicators"):
        run(method, node=node)
    for method in ("explain_node", "get_virtual_media", "inject_nmi", "node_vendor_methods", "vif_list"):
        run(method, node=node)
    run("set_boot_device", node=node, device="pxe", persistent=True)
    run("set_boot_mode", node=node, mode="uefi")
    run("set_secure_boot", node=node, enabled=True)
    run("set_console", node=node, enabled=True)
    run("get_indicator_state", node=node, component="chassis", indicator="led")
    run("set_indicator_state", node=node, component="chassis", indicator="led", state="ON")
    run("attach_virtual_media", node=node, device_type="cdrom", image_url="http://192.0.2.1/a.iso")
    run("detach_virtual_media", node=node, device_types=["cdrom"])
    run("vif_attach", node=node, vif={"id": "v1"})
    run("vif_detach", node=node, vif_id="v1")
    run("set_target_raid_config", node=node, target_raid_config={"logical_disks": []})
    for method in ("driver_properties", "driver_vendor_methods", "get_raid_logical_disk_properties"):
        run(method, driver="fake-hardware")
    run("driver_vendor_passthru", driver="fake-hardware", name="x", http_method="GET", arguments={})
    run("vendor_passthru", node=node, name="machine", http_method="GET", arguments={})
    run("change_power_state", node=node, target="power on")
    run("change_provision_state", node=node, verb="manage", arguments={})
    run("set_maintenance", node=node, maintenance=True, reason="a test")
    run("add_node_trait", node=node, trait="CUSTOM_A")
    run("remove_node_trait", node=node, trait="CUSTOM_A")
    run("set_node_traits", node=node, traits=["CUSTOM_B"])
    chassis = run("create_record", kind="chassis", values={"description": "a chassis"})
    run("update_record", kind="chassis", uuid=chassis.uuid, changes={"description": "another"})
    run("delete_record", kind="chassis", uuid=chassis.uuid)
    run("delete_inspection_rules")
    run("lookup_node", addresses=[MAC])
    run("heartbeat", node=node, beat={"callback_url": "https://192.0.2.1:9999", "agent_token": "x"})
    run("continue_inspection", addresses=[MAC], inventory={"interfaces": []}, plugin_data={})
    allocation = run("create_allocation", values={"name": machine, "resource_class": "none"})
    run("delete_allocation", allocation=allocation.uuid)
    run("delete_port", port=port.uuid)
    run("change_power_state", node=node, target="power off")
    run("delete_node", node=node)
    return outcomes


def shape(value: Any) -> Any:
    """Return the parts of a result that are equal in two runs: types, keys, and codes of errors."""
    if isinstance(value, BareMetalError):
        return (type(value).__name__, value.code, value.retry_after, sorted(value.details))
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value).__name__, [shape(item) for item in value]
    return type(value).__name__
