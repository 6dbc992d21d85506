"""Measurements, run by hand: ``tox -e bench``. Compare figures of one run on one machine; others mean little."""
