"""What leaves this machine. Python imports it at the start of each program that a test calls.

It imports next to nothing, so that a program gets nothing else of the tests.
"""

import os
import sys

ENDED = 97
"""Exit code of a program that tried."""
_ADDRESS = {
    'socket.connect': 1,
    'socket.sendto': 1,
    'socket.sendmsg': 1,
    'socket.getaddrinfo': 0,
    'socket.gethostbyname': 0,
    'socket.gethostbyaddr': 0,
    'socket.getnameinfo': 0,
}
"""Which argument of each of Python's audit events is a host, a path or a tuple that begins so."""
_HERE = {'', '::1', 'localhost', os.uname().nodename}


def leaves(event: str, arguments: tuple[object, ...]) -> bool:
    """Tell whether an audit event is about another machine: no file, and not this one."""
    position = _ADDRESS.get(event)
    if position is None:
        return False
    address = arguments[position]
    host = address[0] if isinstance(address, tuple) else address
    if host is None:
        return False
    name = os.fsdecode(host) if isinstance(host, bytes | bytearray) else str(host)
    return not name.startswith(('/', '127.', '\0')) and name not in _HERE


def end(event: str, arguments: tuple[object, ...]) -> None:
    """End this process at once: an error could be taken quietly."""
    if leaves(event, arguments):
        os.write(2, f'a test opens no connection: {event} {arguments}\n'.encode())
        os._exit(ENDED)


if __name__ == 'sitecustomize':
    sys.addaudithook(end)
