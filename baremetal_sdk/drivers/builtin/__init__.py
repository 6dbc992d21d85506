"""Interface implementations of the runtime itself. They import nothing but the contract."""
