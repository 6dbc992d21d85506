"""Plugins, the catalog of drivers, and the secrets in ``driver_info``."""
