"""Event stream of the API: it sends changes of nodes to clients as server-sent events."""
