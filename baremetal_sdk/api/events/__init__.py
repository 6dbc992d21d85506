"""The event stream of the API."""
