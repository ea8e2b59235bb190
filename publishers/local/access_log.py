"""Views counted from a web server's access log in combined format (Apache's and nginx's default).

A view is one visitor (address and user agent) of a post's page on one day. Robots, visitors without a user agent
and Quarry's own preview do not count.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote

PREVIEW_AGENT = "QuarryPreview"  # stands in the user agent of the creator's own visits
MAX_TAIL = 64 * 2**20  # bytes read from the end of the log
MAX_LINE = 8 * 2**10  # bytes; a longer line is malformed
_LINE = re.compile(
    rb'(?P<address>\S+) \S+ [^\[]*\[(?P<day>\d{2}/[A-Za-z]{3}/\d{4}):[^\]]{1,30}\] "(?P<method>[A-Z]{1,10}) '
    rb'(?P<target>\S+)(?: HTTP/[0-9.]+)?" (?P<status>\d{3}) (?:\d+|-) "(?:[^"\\]|\\.)*" "(?P<agent>(?:[^"\\]|\\.)*)"'
)
_PAGE = re.compile(r"/posts/(?P<name>[^/]+)/(?:index\.html)?$")
_ROBOT = re.compile(rb"bot|crawl|spider|slurp|preview|monitor", re.IGNORECASE)


@dataclass(slots=True)
class Views:
    """What a log says. `visitors` holds one (day, address, agent) per view, by post name."""

    visitors: dict[str, set[tuple[bytes, bytes, bytes]]] = field(default_factory=dict)
    lines: int = 0
    malformed: int = 0
    robots: int = 0
    cut: bool = False  # True where the log was longer than what was read

    def of(self, name: str) -> int:
        """Views of one post."""
        return len(self.visitors.get(name, ()))


def count_views(log: Path) -> Views:
    """Read the end of a log. Malformed lines are counted and skipped. Raises OSError."""
    views = Views()
    with log.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        views.cut = size > MAX_TAIL
        file.seek(max(size - MAX_TAIL - 1, 0))
        if views.cut:
            _rest_of_line(file)
        for line in _lines(file, MAX_TAIL + 1):
            _take(views, line)
    return views


def _take(views: Views, line: bytes | None) -> None:
    views.lines += 1
    found = _LINE.match(line) if line is not None else None
    if found is None:
        views.malformed += 1
        return
    if found["method"] != b"GET" or found["status"] not in {b"200", b"304"}:
        return
    target = found["target"].decode("utf-8", "replace").split("?")[0].split("#")[0]
    page = _PAGE.search(unquote(target))
    if page is None:
        return
    agent = found["agent"]
    if agent.strip() in {b"", b"-"} or _ROBOT.search(agent) or PREVIEW_AGENT.encode() in agent:
        views.robots += 1
        return
    views.visitors.setdefault(page["name"], set()).add((found["day"], found["address"], agent))


def _lines(file: BinaryIO, most: int) -> Iterator[bytes | None]:
    """Whole lines without their end; None for one that is too long."""
    read = 0
    while read < most and (line := file.readline(MAX_LINE + 1)):
        read += len(line)
        if len(line) > MAX_LINE and not line.endswith(b"\n"):
            read += _rest_of_line(file)
            yield None
        elif line.strip():
            yield line.rstrip(b"\r\n")


def _rest_of_line(file: BinaryIO) -> int:
    skipped = 0
    while piece := file.readline(2**16):
        skipped += len(piece)
        if piece.endswith(b"\n"):
            break
    return skipped
