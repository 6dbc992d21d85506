"""Where nodes, ports, leases and conductors are kept: a protocol, and implementations in memory and in SQL."""
