"""The folder's web server: shows pages, hides the rest, writes a log that counts."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from publishers.local.access_log import count_views
from publishers.local.serve import Site, serve


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    page = tmp_path / "site/posts/one"
    page.mkdir(parents=True)
    (page / "index.html").write_text("<p>Grüße</p>", "utf-8")
    (page / "film.mp4").write_bytes(b"film")
    (tmp_path / "site/posts/.staging-two").mkdir()
    (tmp_path / "site/posts/.staging-two/index.html").write_text("not yet")
    (tmp_path / "site/.quarry-folder").write_text("hidden")
    (tmp_path / "secret.txt").write_text("outside")
    (tmp_path / "site/link.txt").symlink_to(tmp_path / "secret.txt")
    with serve(tmp_path / "site", tmp_path / "access.log") as running:
        yield running


def visit(site: Site, path: str, method: str = "GET", agent: str = "A browser", **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(urlsplit(site.url).netloc, timeout=5)
    try:
        connection.request(method, path, headers={"User-Agent": agent, **headers})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_page_and_its_view(site: Site) -> None:
    assert visit(site, "/posts/one/") == (200, "<p>Grüße</p>".encode())
    assert count_views(site.log).of("one") == 1
    assert visit(site, "/posts/one/film.mp4") == (200, b"film")
    found = count_views(site.log)
    assert (found.of("one"), found.lines, found.malformed) == (1, 2, 0)


@pytest.mark.parametrize(
    "path",
    [
        "/posts/",
        "/posts/.staging-two/",
        "/.quarry-folder",
        "/link.txt",
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/posts/..%2f..%2fsecret.txt",
        "/posts/one/..\\..\\secret.txt",
        "//etc/passwd",
        "/posts/one/%00",
        "/none",
    ],
)
def test_nothing_else_is_shown(site: Site, path: str) -> None:
    status, body = visit(site, path)
    assert status == 404
    assert b"secret" not in body
    assert b"outside" not in body


def test_folder_without_slash_is_redirected_and_no_view(site: Site) -> None:
    assert visit(site, "/posts/one")[0] == 301
    assert count_views(site.log).visitors == {}


def test_it_only_reads(site: Site) -> None:
    assert visit(site, "/posts/one/", "HEAD") == (200, b"")
    for method in ("POST", "PUT", "DELETE"):
        assert visit(site, "/posts/one/", method)[0] == 501
    assert count_views(site.log).visitors == {}


@pytest.mark.parametrize("agent", ['with "quotes" and \\ backslash', "tab\there", "café", "Mozilla/5.0 [x] (y)"])
def test_odd_agents_give_well_formed_lines(site: Site, agent: str) -> None:
    visit(site, "/posts/one/", agent=agent)
    found = count_views(site.log)
    assert (found.of("one"), found.malformed) == (1, 0)
    ((_, _, logged),) = found.visitors["one"]
    assert len(logged) >= len(agent)
    assert site.log.read_bytes().endswith(b'"%s"\n' % logged), "the agent is the last field, whole"


def test_log_is_appended_to(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("x")
    for _ in range(2):
        with serve(tmp_path, tmp_path / "access.log") as running:
            assert visit(running, "/")[0] == 200
    assert len((tmp_path / "access.log").read_text().splitlines()) == 2


def test_visitors_at_the_same_time(site: Site) -> None:
    visitors = [
        threading.Thread(target=visit, args=(site, "/posts/one/"), kwargs={"agent": f"browser {number}"})
        for number in range(8)
    ]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    found = count_views(site.log)
    assert (found.of("one"), found.lines, found.malformed) == (8, 8, 0)


def test_port_in_use(site: Site, tmp_path: Path) -> None:
    port = urlsplit(site.url).port
    assert port
    with pytest.raises(OSError, match="in use"), serve(tmp_path, tmp_path / "other.log", port):
        pass
