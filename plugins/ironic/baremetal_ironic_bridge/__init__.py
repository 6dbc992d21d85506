"""Offers driver plugins of the bare-metal contract to Ironic: an author writes once, and serves both."""
