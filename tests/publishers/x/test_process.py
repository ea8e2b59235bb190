"""The simulator as a process of its own, and its control door: what tests of other processes work with."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest


@pytest.fixture
def ready() -> Iterator[dict[str, Any]]:
    command = [sys.executable, "-m", "publishers.testing.x", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield json.loads(process.stdout.readline())
        process.terminate()
        process.wait(10)


def test_it_serves_and_is_controlled(ready: dict[str, Any]) -> None:
    with httpx.Client(base_url=ready["url"]) as http:
        signed = {"Authorization": f"Bearer {ready['tokens']['access_token']}"}
        made = http.post("/2/tweets", json={"text": "hello"}, headers=signed).json()["data"]
        (post,) = http.get("/_sim/posts").json()["posts"]
        assert (post["id"], post["text"], post["reply_to"], post["media"]) == (made["id"], "hello", "", [])

        order = {"method": "POST", "path": "^/2/tweets$", "kind": "drop_answer"}
        assert http.post("/_sim/faults", json=order).json() == {"ok": True}
        with pytest.raises(httpx.RemoteProtocolError):
            http.post("/2/tweets", json={"text": "lost"}, headers=signed)
        assert [one["text"] for one in http.get("/_sim/posts").json()["posts"]] == ["hello", "lost"]
        http.post("/_sim/faults", json=order)
        http.delete("/_sim/faults")

        for _ in range(2):
            http.post("/_sim/metrics", json={"id": made["id"], "numbers": {"like_count": 4}, "grow": True})
        params = {"ids": made["id"], "post.fields": "public_metrics"}
        (row,) = http.get("/2/tweets", params=params, headers=signed).json()["data"]
        assert row["public_metrics"]["like_count"] == 8

        http.post("/_sim/expire")
        assert http.get("/2/users/me", headers=signed).status_code == 401
        granted = http.post("/_sim/grant").json()
        fresh = {"Authorization": f"Bearer {granted['access_token']}"}
        assert http.get("/2/users/me", headers=fresh).json()["data"]["id"] == granted["user_id"]


@pytest.mark.parametrize(
    ("path", "order", "status"),
    [
        ("/_sim/faults", {"kind": "nonsense", "method": "GET", "path": "/"}, 400),
        ("/_sim/faults", {}, 400),
        ("/_sim/metrics", {"id": "1", "numbers": {}}, 400),
        ("/_sim/else", {}, 404),
    ],
)
def test_a_wrong_order_is_refused(platform: Any, path: str, order: dict, status: int) -> None:
    assert httpx.post(platform.simulator.url + path, json=order).status_code == status
