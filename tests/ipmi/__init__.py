"""The IPMI plugin."""
