"""Exclusive work on one node: leases, driver calls, power, history."""
