"""Plugins that are distributions of their own, installed beside metald as a stranger would."""
