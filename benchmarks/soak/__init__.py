"""Long runs, by hand: ``tox -e soak``."""
