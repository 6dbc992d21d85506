"""Kills of a service under load, and the check that no acknowledged write is lost."""
