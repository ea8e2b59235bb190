"""A real Bluesky PDS for tests: started as a child process, read back with plain HTTP.

from tests.servers.bluesky.pds import pds  # the session's fixture

def test_x(pds):
    account = pds.create_account()
    ...
    assert len(pds.records(account.did)) == 1
"""

from __future__ import annotations

import json
import os
import secrets
import select
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from tests.requirements import require_server
from tests.servers.bluesky import appview
from tests.servers.bluesky.prepare import HERE, missing_reason

START_LIMIT = 60.0  # seconds; alone it takes 2.5
JWT_SECRET = "jwt-secret"  # what @atproto/dev-env signs session tokens with, so that tests can make expired ones


class Account(NamedTuple):
    """A new account on the PDS."""

    handle: str
    did: str
    password: str


@dataclass(frozen=True, slots=True)
class Pds:
    """A running PDS and the AppView behind it."""

    url: str
    appview: appview.AppView
    http: httpx.Client

    def create_account(self) -> Account:
        """An account with a random handle."""
        handle, password = f"u{secrets.token_hex(6)}.test", secrets.token_urlsafe(12)
        body = {"handle": handle, "email": f"{handle}@example.com", "password": password}
        made = self.post("com.atproto.server.createAccount", body)
        return Account(handle, made["did"], password)

    def create_app_password(self, account: Account) -> str:
        """An app password, as the creator makes one in Bluesky's settings."""
        body = {"identifier": account.did, "password": account.password}
        token = self.post("com.atproto.server.createSession", body)["accessJwt"]
        name = {"name": secrets.token_hex(4)}
        return str(self.post("com.atproto.server.createAppPassword", name, token)["password"])

    def records(self, did: str, collection: str = "app.bsky.feed.post") -> list[dict[str, Any]]:
        """All records of a collection as {uri, cid, value}, oldest first."""
        found: list[dict[str, Any]] = []
        cursor = ""
        while True:
            query = {"repo": did, "collection": collection, "limit": "100", "reverse": "true"}
            page = self.get("com.atproto.repo.listRecords", {**query, **({"cursor": cursor} if cursor else {})})
            found += page["records"]
            cursor = page.get("cursor", "")
            if not cursor or not page["records"]:
                return found

    def blob(self, did: str, cid: str) -> bytes:
        """The bytes of a blob."""
        answer = self.http.get("/xrpc/com.atproto.sync.getBlob", params={"did": did, "cid": cid})
        return answer.raise_for_status().content

    def get(self, method: str, params: Mapping[str, str]) -> Any:
        """An XRPC query without sign-in."""
        return self.http.get(f"/xrpc/{method}", params=params).raise_for_status().json()

    def has(self, uri: str) -> bool:
        """Whether the record at an at:// address exists."""
        did, collection, key = uri.removeprefix("at://").split("/")
        params = {"repo": did, "collection": collection, "rkey": key}
        return self.http.get("/xrpc/com.atproto.repo.getRecord", params=params).is_success

    def post(self, method: str, body: Mapping[str, Any] | None = None, token: str = "") -> Any:
        """An XRPC procedure; None where it answers nothing."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = self.http.post(f"/xrpc/{method}", json=body, headers=headers).raise_for_status()
        return answer.json() if answer.content else None


@contextmanager
def run_pds(folder: Path) -> Iterator[Pds]:
    """A PDS that keeps its data in `folder` and is gone at the end, its children too."""
    with appview.serve_appview() as view, (folder / "pds.log").open("wb") as log:
        settings = {"bskyAppViewUrl": view.url, "bskyAppViewDid": appview.DID}
        child = subprocess.Popen(
            ["node", "start.js", json.dumps(settings)],
            cwd=HERE,
            env={**os.environ, "TMPDIR": str(folder), "NODE_ENV": "test", "LOG_ENABLED": "false"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,  # a process group of its own, killed as a whole
        )
        try:
            port = json.loads(_first_line(child, folder / "pds.log"))["port"]
            url = f"http://127.0.0.1:{port}"
            with httpx.Client(base_url=url, timeout=30) as http:
                running = Pds(url, view, http)
                view.exists = running.has
                yield running
        finally:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            for pipe in (child.stdin, child.stdout):
                if pipe:
                    pipe.close()


def _first_line(child: subprocess.Popen[bytes], log: Path) -> bytes:
    assert child.stdout
    ready, _, _ = select.select([child.stdout], [], [], START_LIMIT)
    line = child.stdout.readline() if ready else b""
    if not line.startswith(b"{"):
        raise RuntimeError(f"the PDS did not start: {line!r} {log.read_text('utf-8', 'replace')[-2000:]}")
    return line


@pytest.fixture(scope="session")
def pds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pds]:
    """One PDS for the whole run; each test makes its own accounts."""
    if reason := missing_reason():
        require_server(reason)
    with run_pds(tmp_path_factory.mktemp("pds")) as running:
        yield running
