"""Regular polling of many BMCs, shared by power sync and sensor collection: schedule, queues, and workers."""
