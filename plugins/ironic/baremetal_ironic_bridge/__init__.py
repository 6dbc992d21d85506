"""Offers driver plugins of the bare-metal contract to Ironic, so that one plugin serves both."""
