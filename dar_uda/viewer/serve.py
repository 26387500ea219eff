"""The page and its volumes over HTTP, to this machine alone."""

import contextlib
import json
import os
import secrets
import socket
import sys
import threading
import webbrowser
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from dar_uda.viewer.catalog import Catalog, read_catalog
from dar_uda.viewer.volumes import nifti_bytes

PAGE = Path(__file__).with_name("page")
FILES = {
    "": ("index.html", "text/html; charset=utf-8"),
    "viewer.css": ("viewer.css", "text/css; charset=utf-8"),
    "viewer.js": ("viewer.js", "text/javascript; charset=utf-8"),
    "niivue.js": ("niivue.js", "text/javascript; charset=utf-8"),
}
"""What lies on the disk, by the name that the page asks for; nothing else is read."""
LOOPBACK = "127.0.0.1"
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data: blob:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


MOST_STRANGERS = 8
"""Connections at a time that have not shown the secret of the address."""


class ViewerServer(ThreadingHTTPServer):
    """Serves a catalog on 127.0.0.1, below an address that nobody can guess: other users of this machine see nothing.

    A connection has a thread. Of those that have not shown the secret, the oldest is closed where there are too many.

    Attributes:
        address: Of the page.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, catalog: Catalog, port: int = 0) -> None:
        """Take a port; 0 is a free one."""
        super().__init__((LOOPBACK, port), _Handler)
        self.catalog = catalog
        self.root = f"/{secrets.token_urlsafe(16)}/"
        self.hosts = {f"{name}:{self.server_port}" for name in (LOOPBACK, "localhost")}
        self.address = f"http://{LOOPBACK}:{self.server_port}{self.root}"
        self._strangers: list[socket.socket] = []
        self._turn = threading.Lock()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread of its own."""
        with self._turn, contextlib.suppress(OSError):
            self._strangers.append(request)
            if len(self._strangers) > MOST_STRANGERS:
                self._strangers.pop(0).shutdown(socket.SHUT_RDWR)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection."""
        self.knows(request)
        super().shutdown_request(request)

    def knows(self, connection: socket.socket) -> None:
        """Count a connection as a stranger's no longer."""
        with self._turn, contextlib.suppress(ValueError):
            self._strangers.remove(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print what went wrong, but for a connection that was cut."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: ViewerServer
    timeout = 10  # seconds for a request to come

    def do_GET(self) -> None:
        """Answer with a file of the page, the catalog or a volume; 404 for all else."""
        if self.headers.get("Host") not in self.server.hosts:
            return self._answer(HTTPStatus.FORBIDDEN, "text/plain", b"DAR-345: This page answers to 127.0.0.1 alone.")
        shown, name = self.path[: len(self.server.root)], self.path[len(self.server.root) :]
        if not secrets.compare_digest(shown.encode(), self.server.root.encode()):
            return self._answer(
                HTTPStatus.NOT_FOUND, "text/plain", b"DAR-344: Give the whole address that was printed."
            )
        self.server.knows(self.connection)
        self.connection.settimeout(None)  # a volume takes its time
        folder, _, number = name.partition("/")
        if name in FILES:
            file, kind = FILES[name]
            return self._answer(HTTPStatus.OK, kind, (PAGE / file).read_bytes())
        if name == "catalog.json":
            return self._answer(HTTPStatus.OK, "application/json", json.dumps(self.server.catalog.page).encode())
        if folder == "volumes" and number in map(str, range(len(self.server.catalog.volumes))):
            return self._volume(int(number))
        return self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"There is nothing of this name.")

    def _volume(self, number: int) -> None:
        try:
            content = nifti_bytes(self.server.catalog.volumes[number]())
        except (ValueError, OSError, MemoryError) as error:
            reason = str(error) or type(error).__name__
            return self._answer(HTTPStatus.INTERNAL_SERVER_ERROR, "text/plain; charset=utf-8", reason.encode())
        return self._answer(HTTPStatus.OK, "application/octet-stream", content)

    def _answer(self, status: HTTPStatus, kind: str, content: bytes) -> None:
        self.send_response(status)
        for name, value in {**HEADERS, "Content-Type": kind, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # the page was closed, or chose another case
            self.wfile.write(content)

    def version_string(self) -> str:
        """Return what the answers say of the server."""
        return "dar-uda"

    def log_message(self, *_: object) -> None:
        """Log nothing: the page says what went wrong."""


def view_run(run: str | Path, port: int = 0) -> None:
    """Serve the page of a run until Ctrl-C; open it where there is a display.

    Args:
        run: Folder `results/{run}`.
        port: On 127.0.0.1; 0 is a free one.

    Raises:
        FileNotFoundError: The run has no masks, or NiiVue was not built into the page.
        OSError: The port is taken.
    """
    if not (PAGE / "niivue.js").exists():
        raise FileNotFoundError(
            f"DAR-340: {PAGE / 'niivue.js'} does not exist; NiiVue is not built: `make viewer`, which needs Node's npm"
        )
    catalog = read_catalog(run)
    try:
        server = ViewerServer(catalog, port)
    except OSError as error:
        raise OSError(
            f"DAR-343: port {port} of {LOOPBACK} cannot be taken ({error.strerror}): give another --port"
        ) from error
    with server, _redirect(server.address) as file, contextlib.suppress(KeyboardInterrupt):
        print(f"{server.address}\nCtrl-C ends it.", flush=True)
        if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
            webbrowser.open(file.as_uri())
        server.serve_forever()


@contextlib.contextmanager
def _redirect(address: str) -> Iterator[Path]:
    """Yield a file that this user alone can read, and that sends a browser to an address with a secret.

    What a process such as the browser is given on its command line, every user of the machine can read.
    """
    with NamedTemporaryFile("w", prefix="dar-uda-view-", suffix=".html") as file:
        file.write(f'<meta http-equiv="refresh" content="0; url={address}"><a href="{address}">The page</a>')
        file.flush()
        yield Path(file.name)
