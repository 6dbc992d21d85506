"""Loading of driver plugins, the catalog of the drivers on offer, and protection of secrets in ``driver_info``."""
