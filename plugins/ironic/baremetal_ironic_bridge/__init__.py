"""Bridge that offers driver plugins of the bare-metal contract to Ironic as hardware types and interfaces."""
