"""Power sync: regular observation of the power state of every node."""

from baremetal_sdk.power_sync.power_sync import PowerSync

__all__ = ["PowerSync"]
