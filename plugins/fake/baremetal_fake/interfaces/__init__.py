"""Driver interfaces of ``fake-hardware``, one module for each kind."""
