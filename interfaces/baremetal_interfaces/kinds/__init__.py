"""The abstract classes of the thirteen kinds of interface, one module for each kind."""
