"""Hostile input to every interface of a running service: its API, its RPC, and the answers of BMCs."""
