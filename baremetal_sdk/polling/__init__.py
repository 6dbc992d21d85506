"""Regular polling of many BMCs: schedule, queues and workers, shared by power sync and sensor collection."""
