"""The thirteen kinds of interface, one module each."""
