"""Power sync: seeing now and then what the power of every node really is."""

from baremetal_sdk.power_sync.engine import PowerSync

__all__ = ["PowerSync"]
