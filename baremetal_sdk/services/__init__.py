"""The RPC methods of a conductor, grouped in small classes by subject."""
