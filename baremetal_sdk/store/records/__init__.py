"""The records of a store as frozen dataclasses, and the queries for them."""
