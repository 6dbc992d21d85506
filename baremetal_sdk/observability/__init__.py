"""Telemetry, traces, metrics, logs and redaction."""
