"""Remote procedure calls: one behaviour, whether API and conductor share a process or not."""
