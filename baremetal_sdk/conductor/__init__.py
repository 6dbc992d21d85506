"""The conductor: its components, its start and its shutdown."""
