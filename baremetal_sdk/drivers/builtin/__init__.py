"""Interface implementations that the runtime itself provides. They import nothing but the contract."""
