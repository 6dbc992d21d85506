"""From entry points to the driver of one node."""
