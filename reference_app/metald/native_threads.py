"""The choice of native threads for whatever comes from OpenStack's libraries."""

from __future__ import annotations


def choose_native_threads() -> None:
    """Before anything of oslo.messaging is imported. Where it is not installed, the runtime says what to install."""
    try:
        from oslo_service.backend import BackendType, init_backend
    except ImportError:
        return
    init_backend(BackendType.THREADING)
