"""Plugins of the contract in a real Ironic; run by ``tox -e ironic``."""
