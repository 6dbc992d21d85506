"""Simulated machines reached as Redfish BMCs on loopback."""
