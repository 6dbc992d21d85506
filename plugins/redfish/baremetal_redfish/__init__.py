"""Redfish machines for the bare-metal contract. Entry points load the classes from their modules."""
