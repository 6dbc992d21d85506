"""``metald bench``: what a server of the Bare Metal API does under load, measured from outside, with any server."""
