"""Access to the API: policies, personas, roles, public routes and the audit log."""
