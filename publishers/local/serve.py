"""A web server for a folder on this machine: shows its pages and writes the access log that views come from.

with serve(folder, log) as site:
    ...  # visit site.url
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit


@dataclass(frozen=True, slots=True)
class Site:
    """A served folder. `url` ends with a slash."""

    url: str
    log: Path


@contextmanager
def serve(folder: Path, log: Path, port: int = 0) -> Iterator[Site]:
    """Serve `folder` on 127.0.0.1 (a free port where `port` is 0) and append each request to `log`.

    Raises OSError where the port is taken or the log cannot be written.
    """
    with log.open("ab") as lines:
        handler = partial(_Handler, folder.resolve(), lines, threading.Lock())
        server = _Server(("127.0.0.1", port), handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), name="local folder's web server")
        thread.start()
        try:
            yield Site(f"http://127.0.0.1:{server.server_address[1]}/", log)
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # the log stays open until the last answer is written


class _Handler(SimpleHTTPRequestHandler):
    """HTTP/1.0, so that each connection ends with its answer."""

    server_version = "Quarry"
    sys_version = ""
    timeout = 5  # seconds a silent connection is kept

    def __init__(self, folder: Path, log: BinaryIO, lock: threading.Lock, *connection: object) -> None:
        self._folder = folder
        self._log = log
        self._lock = lock
        super().__init__(*connection, directory=str(folder))  # type: ignore[arg-type]  # as socketserver calls it

    def translate_path(self, path: str) -> str:
        """The file of a request, or one that does not exist for hidden files and whatever leaves the folder."""
        parts = [part for part in unquote(urlsplit(path).path).split("/") if part]
        hidden = any(part.startswith(".") or "\\" in part or "\0" in part for part in parts)
        nowhere = self._folder / ".nowhere"
        if hidden:
            return str(nowhere)
        file = self._folder.joinpath(*parts)
        if not file.resolve().is_relative_to(self._folder):
            return str(nowhere)
        return str(file) + ("/" if path.endswith("/") and parts else "")

    def list_directory(self, path: object) -> None:
        """Folders without an index are not shown."""
        self.send_error(404)

    def end_headers(self) -> None:
        self.send_header("X-Content-Type-Options", "nosniff")
        super().end_headers()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """One line in combined format."""
        if not isinstance(code, str):
            code = int(code)
        headers = getattr(self, "headers", None)  # a request that could not be read has none
        agent, referer = (headers.get(name, "-") if headers else "-" for name in ("User-Agent", "Referer"))
        now = datetime.now(UTC).strftime("%d/%b/%Y:%H:%M:%S +0000")
        line = f'{self.client_address[0]} - - [{now}] "{_quoted(self.requestline)}" {code} {size} '
        line += f'"{_quoted(referer)}" "{_quoted(agent)}"\n'
        with self._lock:
            self._log.write(line.encode())
            self._log.flush()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on stderr: the log has it."""


def _quoted(text: str) -> str:
    """As Apache writes a header in a log: quotes and backslashes escaped, other odd characters as \\xhh."""
    safe = text.replace("\\", "\\\\").replace('"', '\\"')
    return "".join(one if " " <= one <= "~" else "".join(f"\\x{byte:02x}" for byte in one.encode()) for one in safe)
