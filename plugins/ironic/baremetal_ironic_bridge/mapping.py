"""Table of the contract's methods and their counterparts in Ironic. The documentation is generated from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from baremetal_interfaces import Kind

RESERVED_STEPS = frozenset({"power_on", "power_off", "reboot", "hold", "wait"})
"""Step names that Ironic reserves: it runs steps of these names itself and calls no interface."""


class Place(NamedTuple):
    """Counterpart of a part of the contract: Ironic's methods that call it, and a *note* on the difference."""

    ironic: tuple[str, ...] = ()
    note: str = ""


_STEP_NOTE = "a step; Ironic calls it by name"
_UNUSED_NOTE = "Ironic does not call it"
_ANY = {
    "validate": Place(("validate",)),
    "poll": Place(("a periodic task of the conductor",), "every ``[contract] poll_interval`` seconds"),
    "steps": Place(("get_clean_steps", "get_deploy_steps", "get_service_steps", "get_verify_steps")),
    "options_type": Place(("a section of ironic.conf",), "if the bridge is given a section"),
    "state_type": Place(("driver_internal_info",)),
}

PLACES: Mapping[Kind, Mapping[str, Place]] = {
    Kind.POWER: {
        "get_power_state": Place(("get_power_state",), "an unknown state is ``error``"),
        "set_power_state": Place(("set_power_state", "reboot"), "confirmed by reads, as Ironic expects"),
        "sample_power": Place(note=_UNUSED_NOTE),
        "sample_target": Place(note=_UNUSED_NOTE),
    },
    Kind.MANAGEMENT: {
        "get_supported_boot_devices": Place(("get_supported_boot_devices",)),
        "get_boot_device": Place(("get_boot_device",)),
        "set_boot_device": Place(("set_boot_device",)),
        "get_boot_mode": Place(("get_boot_mode", "get_supported_boot_modes")),
        "set_boot_mode": Place(("set_boot_mode",)),
        "get_secure_boot": Place(("get_secure_boot_state",)),
        "set_secure_boot": Place(("set_secure_boot_state",)),
        "inject_nmi": Place(("inject_nmi",)),
        "get_supported_indicators": Place(("get_supported_indicators",)),
        "get_indicator_state": Place(("get_indicator_state",)),
        "set_indicator_state": Place(("set_indicator_state",)),
        "get_sensors_data": Place(("get_sensors_data",)),
        "get_node_health": Place(("get_node_health",)),
        "attach_virtual_media": Place(("attach_virtual_media",)),
        "detach_virtual_media": Place(("detach_virtual_media",)),
        "get_virtual_media": Place(("get_virtual_media",)),
    },
    Kind.BOOT: {
        "prepare_instance": Place(("prepare_instance",)),
        "clean_up_instance": Place(("clean_up_instance",)),
        "prepare_ramdisk": Place(("prepare_ramdisk",)),
        "clean_up_ramdisk": Place(("clean_up_ramdisk",)),
    },
    Kind.DEPLOY: {
        "prepare": Place(("prepare",)),
        "tear_down": Place(("tear_down",), "it cannot wait"),
        "clean_up": Place(("clean_up",)),
        "take_over": Place(("take_over",)),
        "validate_cleaning": Place(("prepare_cleaning",), "only before automated cleaning"),
        "prepare_cleaning": Place(("prepare_cleaning",), "it cannot wait"),
        "tear_down_cleaning": Place(("tear_down_cleaning",)),
    },
    Kind.INSPECT: {
        "inspect": Place(("inspect_hardware",), "it cannot wait; use Ironic's ``agent`` for agents"),
        "abort": Place(note="Ironic never waits for an inspection"),
    },
    Kind.BIOS: {
        "get_settings": Place(("cache_bios_settings",)),
        "apply_configuration": Place(("apply_configuration",), _STEP_NOTE),
        "factory_reset": Place(("factory_reset",), _STEP_NOTE),
    },
    Kind.RAID: {
        "get_logical_disk_properties": Place(("get_logical_disk_properties",)),
        "validate_raid_config": Place(("validate_raid_config",)),
        "find_logical_disk_problems": Place(("validate_raid_config",), "through ``validate_raid_config``"),
        "create_configuration": Place(("create_configuration", "apply_configuration"), _STEP_NOTE),
        "delete_configuration": Place(("delete_configuration",), _STEP_NOTE),
    },
    Kind.FIRMWARE: {
        "get_components": Place(("cache_firmware_components",)),
        "update": Place(("update",), _STEP_NOTE),
    },
    Kind.CONSOLE: {
        "start_console": Place(("start_console",)),
        "stop_console": Place(("stop_console",)),
        "get_console": Place(("get_console",)),
    },
    Kind.RESCUE: {
        "rescue": Place(("rescue",), "it may wait with ``poll_after``"),
        "unrescue": Place(("unrescue",), "it cannot wait"),
        "clean_up": Place(("clean_up",)),
    },
    Kind.NETWORK: {
        "attach": Place(
            (
                "add_provisioning_network",
                "add_cleaning_network",
                "add_inspection_network",
                "add_rescuing_network",
                "add_servicing_network",
                "configure_tenant_networks",
            )
        ),
        "detach": Place(
            (
                "remove_provisioning_network",
                "remove_cleaning_network",
                "remove_inspection_network",
                "remove_rescuing_network",
                "remove_servicing_network",
                "unconfigure_tenant_networks",
            )
        ),
        "vif_attach": Place(("vif_attach",)),
        "vif_detach": Place(("vif_detach",)),
        "vif_list": Place(("vif_list",), "ports of VIFs are unknown: ``get_current_vif`` is None"),
        "port_changed": Place(("port_changed",), "port groups are refused"),
    },
    Kind.STORAGE: {
        "attach_volumes": Place(("attach_volumes",)),
        "detach_volumes": Place(("detach_volumes",)),
        "should_write_image": Place(("should_write_image",)),
    },
    Kind.VENDOR: {
        "passthru": Place(("vendor_routes",)),
        "driver_passthru": Place(("driver_routes",)),
    },
}
"""Interface kind -> method of the contract -> its counterpart in Ironic."""

ANY_KIND: Mapping[str, Place] = _ANY
"""Method or attribute that every kind of interface has -> its counterpart in Ironic."""
