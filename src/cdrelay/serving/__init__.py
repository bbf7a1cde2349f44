"""Running the server and the loops beside it: sockets, TLS, what a client may take its time for."""

from cdrelay.serving.memory import share_heaps
from cdrelay.serving.running import PLAIN, AddressTaken, Front, Worker, open_socket, run, serve
from cdrelay.serving.tls import OwnTls, TlsUnusable
from cdrelay.serving.turns import take_short_turns

__all__ = [
    "PLAIN",
    "AddressTaken",
    "Front",
    "OwnTls",
    "TlsUnusable",
    "Worker",
    "open_socket",
    "run",
    "serve",
    "share_heaps",
    "take_short_turns",
]
