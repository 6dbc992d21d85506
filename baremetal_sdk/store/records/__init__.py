"""Records of a store as frozen dataclasses, and queries for them."""
