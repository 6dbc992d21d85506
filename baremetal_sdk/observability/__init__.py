"""Telemetry, traces, metrics, structured logs and redaction."""
