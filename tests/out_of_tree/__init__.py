"""Plugins in separate distributions, installed next to metald as a third party would."""
