"""Load tests of ``metald bench`` against any server of the Bare Metal API, measured from the client side."""
