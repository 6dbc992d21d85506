"""Plugins in distributions of their own, installed next to metald as a third party would."""
