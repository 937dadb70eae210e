"""Any folder over HTTP on this machine, compressed and with its 404.html, as a host would do it."""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

PREFIX = "/gradexplain/"
_COMPRESSED = ("text/", "application/json", "application/xml", "image/svg")


class _Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, *arguments: Any, prefix: str, **options: Any) -> None:
        self.prefix = prefix
        super().__init__(*arguments, **options)

    def do_GET(self) -> None:
        address = self.path.partition("?")[0]
        file = Path(self.translate_path("/" + address.removeprefix(self.prefix)))
        if address.endswith("/"):
            file /= "index.html"
        if not address.startswith(self.prefix) or not file.is_file():
            lost = Path(self.translate_path("/404.html"))
            body = lost.read_bytes() if lost.is_file() else b"there is no such file"
            self._answer(HTTPStatus.NOT_FOUND, "text/html", body)
        else:
            self._answer(HTTPStatus.OK, self.guess_type(str(file)), file.read_bytes())

    def _answer(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        compressed = kind.startswith(_COMPRESSED)
        body = gzip.compress(body) if compressed else body
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "max-age=600")
        if compressed:
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing: the tests report what fails."""


@contextmanager
def serve(folder: Path, prefix: str = PREFIX) -> Iterator[str]:
    """Serve a folder below a path, that ends in a slash; give its address."""
    handler = partial(_Handler, directory=str(folder), prefix=prefix)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}{prefix}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
