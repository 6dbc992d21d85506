"""Remote procedure calls with the same behavior in one process and between processes."""
