"""The runtime that hosts embed."""
