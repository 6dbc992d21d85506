"""Remote procedure calls (RPC) to conductors, with the same behavior in one process and between processes."""
