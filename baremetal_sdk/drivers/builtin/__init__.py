"""Interface implementations that come with the runtime, written against the contract alone."""
