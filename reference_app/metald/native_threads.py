"""Selection of native threads, in place of Eventlet, in OpenStack's libraries."""

from __future__ import annotations


def choose_native_threads() -> None:
    """Select the threading backend of oslo.service. Call it before any import of oslo.messaging.

    Does nothing if oslo.service is not installed; the runtime then reports what to install.
    """
    try:
        from oslo_service.backend import BackendType, init_backend
    except ImportError:
        return
    init_backend(BackendType.THREADING)
