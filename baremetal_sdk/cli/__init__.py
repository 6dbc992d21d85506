"""The command ``baremetal-sdk`` for authors of driver plugins."""
