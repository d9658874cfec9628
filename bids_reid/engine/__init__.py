"""The only folder that knows Nipype: interfaces, graphs, plugins, and running them."""

import socket
from contextlib import suppress


def _import_without_sockets() -> None:
    """Import what Nipype imports to ask for news of itself, which it does not do here.

    When it is imported, urllib3 opens a socket to find out whether there is IPv6.
    """
    known = socket.has_ipv6
    socket.has_ipv6 = False
    try:
        with suppress(ImportError):
            from urllib3.util import connection

            # extractors of other packages may use it, if they are allowed to
            connection.HAS_IPV6 = known
    finally:
        socket.has_ipv6 = known


_import_without_sockets()
