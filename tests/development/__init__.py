"""The tools for authors of plugins."""
