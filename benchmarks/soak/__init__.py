"""Long-running tests, started by hand with ``tox -e soak``."""
