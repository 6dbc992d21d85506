"""Observability of a conductor and its API: telemetry, traces, Prometheus metrics, log formats, and redaction of logs."""
