"""``metald bench``: load tests against any server of the Bare Metal API, measured from the client side."""
