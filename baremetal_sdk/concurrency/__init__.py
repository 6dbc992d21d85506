"""Threads: the elastic pool, timers, periodic jobs and locks."""
