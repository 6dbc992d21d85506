"""Redfish machines for the bare-metal contract. Entry points name the classes where they are."""
