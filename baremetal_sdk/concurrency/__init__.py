"""Threads of a conductor: the worker pool, the timer, periodic jobs and locks."""
