"""Runs driver plugins of the bare-metal contract in Ironic, so that one plugin serves both."""
