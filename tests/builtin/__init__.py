"""Interfaces that come with the runtime."""
