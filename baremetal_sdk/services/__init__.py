"""What a conductor does when it is asked: small objects whose methods are registered for RPC."""
