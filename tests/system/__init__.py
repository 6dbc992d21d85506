"""metald as its operator has it: a process of its own, real BMCs over loopback, and what goes wrong."""
