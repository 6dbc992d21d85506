"""Power sync: seeing now and then what the power of every node really is."""

from baremetal_sdk.power_sync.power_sync import PowerSync

__all__ = ["PowerSync"]
