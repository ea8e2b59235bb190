"""Views from access logs in combined format."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publishers.local import access_log
from publishers.local.access_log import MAX_LINE, PREVIEW_AGENT, Views, count_views

BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def line(
    target: str = "/posts/one/",
    *,
    address: str = "192.0.2.7",
    day: str = "24/Nov/2026",
    method: str = "GET",
    status: int = 200,
    agent: str = BROWSER,
    user: str = "-",
) -> str:
    return f'{address} - {user} [{day}:12:00:00 +0000] "{method} {target} HTTP/1.1" {status} 512 "-" "{agent}"\n'


def views(tmp_path: Path, *lines: str | bytes) -> Views:
    log = tmp_path / "access.log"
    log.write_bytes(b"".join(one if isinstance(one, bytes) else one.encode() for one in lines))
    return count_views(log)


class TestCounting:
    def test_one_visitor_a_day(self, tmp_path: Path) -> None:
        found = views(
            tmp_path,
            line(),
            line(),
            line("/posts/one/index.html"),
            line(day="25/Nov/2026"),
            line(address="2001:db8::1"),
            line(agent="Another"),
            line("/posts/two/"),
        )
        assert (found.of("one"), found.of("two"), found.of("three")) == (4, 1, 0)
        assert (found.lines, found.malformed, found.robots) == (7, 0, 0)

    @pytest.mark.parametrize(
        "target",
        [
            "/posts/one/?utm_source=x",
            "/blog/posts/one/",
            "/posts/%6Fne/",
            "/posts/one/index.html?a=/posts/two/",
            "http://example.org/posts/one/",
        ],
    )
    def test_addresses_of_the_page(self, tmp_path: Path, target: str) -> None:
        assert views(tmp_path, line(target)).of("one") == 1

    @pytest.mark.parametrize(
        "target", ["/posts/one", "/posts/one/a.png", "/posts/", "/", "/x?page=/posts/one/", "/posts/one/two/", "*"]
    )
    def test_other_addresses(self, tmp_path: Path, target: str) -> None:
        found = views(tmp_path, line(target))
        assert found.visitors == {}
        assert found.malformed == 0

    @pytest.mark.parametrize(("status", "count"), [(200, 1), (304, 1), (206, 0), (301, 0), (404, 0), (500, 0)])
    def test_statuses(self, tmp_path: Path, status: int, count: int) -> None:
        assert views(tmp_path, line(status=status)).of("one") == count

    @pytest.mark.parametrize("method", ["HEAD", "POST", "OPTIONS"])
    def test_methods(self, tmp_path: Path, method: str) -> None:
        assert views(tmp_path, line(method=method)).of("one") == 0

    @pytest.mark.parametrize(
        "agent", ["", "-", " ", "Googlebot/2.1", "my CRAWLER", "Spider", f"{BROWSER} {PREVIEW_AGENT}/1", "Slurp"]
    )
    def test_robots_and_the_creator(self, tmp_path: Path, agent: str) -> None:
        found = views(tmp_path, line(agent=agent))
        assert (found.of("one"), found.robots) == (0, 1)

    def test_quotes_and_users(self, tmp_path: Path) -> None:
        assert views(tmp_path, line(agent='a \\"quoted\\" one', user="jane doe")).of("one") == 1


class TestMalformed:
    @pytest.mark.parametrize(
        "bad",
        [
            "nonsense\n",
            '192.0.2.7 - - [24/Nov/2026:12:00:00 +0000] "GET /posts/one/ HTTP/1.1" 200 512\n',  # common format
            line(day="yesterday"),
            line().replace(" 200 ", " OK "),
            line()[:-3] + "\n",
            b"\xff\xfe\x00\x01\n",
            line(agent="x" * MAX_LINE),
            '192.0.2.7 - - [24/Nov/2026:12:00:00 +0000] "\\x16\\x03\\x01" 400 0 "-" "-"\n',
        ],
    )
    def test_it_is_skipped_and_counted(self, tmp_path: Path, bad: str | bytes) -> None:
        found = views(tmp_path, line(), bad, line(address="192.0.2.8"))
        assert (found.of("one"), found.malformed, found.lines) == (2, 1, 3)

    def test_last_line_half_written(self, tmp_path: Path) -> None:
        assert views(tmp_path, line(), line(agent="other")[:40]).of("one") == 1

    def test_empty_log(self, tmp_path: Path) -> None:
        assert views(tmp_path).lines == 0

    def test_windows_ends_and_blank_lines(self, tmp_path: Path) -> None:
        found = views(tmp_path, line().replace("\n", "\r\n"), "\r\n", "\n")
        assert (found.of("one"), found.lines) == (1, 1)

    @pytest.mark.parametrize("piece", ["\\", '"', "[", "a ", '" "', "\\\\", "- "])
    def test_no_line_takes_long(self, tmp_path: Path, piece: str) -> None:
        long = '1 - - [24/Nov/2026:12:00:00 +0000] "GET /posts/one/ HTTP/1.1" 200 1 "'
        bad = (long + piece * MAX_LINE)[: MAX_LINE - 1] + "\n"
        started = time.perf_counter()
        views(tmp_path, *[bad] * 20)
        assert time.perf_counter() - started < 1

    @given(st.lists(st.binary(max_size=60) | st.just(line().encode()), max_size=8))
    def test_any_bytes(self, lines: list[bytes]) -> None:
        log = Path(self.folder) / "any.log"
        log.write_bytes(b"\n".join(lines))
        found = count_views(log)
        assert found.malformed <= found.lines
        assert found.of("one") <= 1

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        self.folder = tmp_path_factory.mktemp("logs")


class TestLongLogs:
    def test_only_the_end_is_read(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        lines = [line(address=f"192.0.2.{number}") for number in range(200)]
        monkeypatch.setattr(access_log, "MAX_TAIL", sum(len(one) for one in lines[-10:]))
        found = views(tmp_path, *lines)
        assert (found.of("one"), found.lines, found.malformed, found.cut) == (10, 10, 0, True)

    def test_cut_in_the_middle_of_a_line(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        lines = [line(address=f"192.0.2.{number:03}") for number in range(200)]
        monkeypatch.setattr(access_log, "MAX_TAIL", 10 * len(lines[0]) - 5)
        found = views(tmp_path, *lines)
        assert (found.of("one"), found.malformed) == (9, 0)

    def test_missing_log(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            count_views(tmp_path / "none.log")
