"""Tools for authors of plugins: the command ``baremetal-sdk``."""
