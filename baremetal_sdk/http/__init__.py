"""HTTP server for WSGI applications. Slow or hostile clients cannot block it.

One thread owns all connections with ``epoll`` (module ``loop``). The workers of a pool run complete requests. Cheroot's gateway
calls the WSGI application (module ``cheroot_gateway``). A second thread sends streaming responses (module ``streams``).
"""

from typing import TYPE_CHECKING

from baremetal_sdk.exports import lazy_exports

if TYPE_CHECKING:
    from baremetal_sdk.http.server import HTTPServer
    from baremetal_sdk.http.sockets import Listeners, listen
else:
    __getattr__ = lazy_exports(__name__, {"server": ("HTTPServer",), "sockets": ("Listeners", "listen")})

__all__ = ["HTTPServer", "Listeners", "listen"]
