"""Authorization of API requests: policies decide by role and ownership, and the audit log records requested changes."""
