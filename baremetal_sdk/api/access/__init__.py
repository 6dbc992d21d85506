"""Access to the API: policies, personas, roles and the audit log."""
