"""The HTTP server and the Bare Metal API on it."""
