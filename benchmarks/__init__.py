"""Benchmarks, run by hand with ``tox -e bench``. Compare only figures of one run on one machine."""
