"""A server on this machine, to download from."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Server:
    """What a server has, and what it was asked for."""

    url: str = ''
    files: dict[str, bytes] = field(default_factory=dict)
    # Path -> how many bytes are sent before the connection breaks.
    broken: dict[str, int] = field(default_factory=dict)
    # Path -> what is said instead of its length.
    lengths: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


@contextmanager
def serve() -> Iterator[Server]:
    """Serve the files of the server while the context lasts."""
    server = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.asked.append(self.path)
            content = server.files.get(self.path.partition('?')[0])
            if content is None:
                self.send_error(404)
                return
            self.send_response(200)
            length = server.lengths.get(self.path, str(len(content)))
            self.send_header('Content-Length', length)
            self.end_headers()
            self.wfile.write(content[: server.broken.get(self.path)])

        def log_message(self, *args: object) -> None:
            """Nothing: pytest shows enough."""

    with ThreadingHTTPServer(('127.0.0.1', 0), Handler) as http:
        server.url = f'http://127.0.0.1:{http.server_port}'
        thread = threading.Thread(target=http.serve_forever, daemon=True)
        thread.start()
        yield server
        http.shutdown()
        thread.join()
