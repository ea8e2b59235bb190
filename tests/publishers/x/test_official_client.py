"""The official client certifies the simulator: what X's own xdk sends is understood, what we answer it accepts."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from xdk import Client

from publishers.testing.samples import png
from publishers.testing.x import Rules, XSimulator
from publishers.testing.x.simulator import HANDLE, USER_ID

SECRET = "s3cret-of-the-app"
SCOPES = ["tweet.read", "tweet.write", "users.read", "media.write", "offline.access"]
BACK = "http://127.0.0.1:8721/callback"


@pytest.fixture
def x() -> Iterator[XSimulator]:
    with XSimulator(Rules(client_secret=SECRET, processing=0)) as simulator:
        yield simulator


@pytest.fixture
def client(x: XSimulator) -> Iterator[Any]:
    made = Client(base_url=x.url, access_token=str(x.sign_in.grant()["access_token"]))
    yield made
    made.session.close()


def test_who_am_i(client: Any) -> None:
    me = client.users.get_me(user_fields=["name", "username"])
    assert (me.data.id, me.data.username) == (USER_ID, HANDLE)


def test_a_post_is_made_looked_up_and_deleted(client: Any, x: XSimulator) -> None:
    made = client.posts.create({"text": "hello from xdk, see example.com"}).data
    assert made.id == x.posts.live[0].id
    assert made.text.startswith("hello from xdk, see https://t.co/")
    reply = client.posts.create({"text": "and more", "reply": {"in_reply_to_tweet_id": made.id}}).data
    assert x.posts.live[1].reply_to == made.id
    x.posts.set_metrics(made.id, {"impression_count": 12, "repost_count": 2})
    found = client.posts.get_by_ids([made.id, "12"], post_fields=["public_metrics", "entities"])
    assert found.data[0].public_metrics.impression_count == 12
    assert found.data[0].public_metrics.repost_count == 2
    assert found.errors[0].resource_id == "12"
    pages = list(client.users.get_posts(USER_ID, max_results=5, post_fields=["conversation_id"]))
    assert [row.id for row in pages[0].data] == [reply.id, made.id]
    assert client.posts.delete(reply.id).data.deleted is True
    assert [post.id for post in x.posts.live] == [made.id]


def test_a_picture_goes_up_at_once(client: Any, x: XSimulator) -> None:
    media = base64.b64encode(png()).decode()
    media_id = client.media.upload({"media": media, "media_category": "tweet_image"}).data.id
    client.media.create_metadata({"id": media_id, "metadata": {"alt_text": {"text": "a blue square"}}})
    client.posts.create({"text": "", "media": {"media_ids": [media_id]}})
    (post,) = x.posts.live
    assert [(upload.data, upload.alt) for upload in post.media] == [(png(), "a blue square")]


def test_a_film_goes_up_in_segments(client: Any, x: XSimulator) -> None:
    film = bytes(range(256)) * 40
    start = {"media_type": "video/mp4", "total_bytes": len(film), "media_category": "tweet_video"}
    media_id = client.media.initialize_upload(start).data.id
    for index, offset in enumerate(range(0, len(film), 4096)):
        chunk = base64.b64encode(film[offset : offset + 4096]).decode()
        client.media.append_upload(media_id, {"media": chunk, "segment_index": index})
    client.media.finalize_upload(media_id)
    status = client.media.get_upload_status(media_id, command="STATUS")
    assert status.data.processing_info.state == "succeeded"
    client.posts.create({"text": "a film", "media": {"media_ids": [media_id]}})
    assert x.posts.live[0].media[0].data == film


def test_its_sign_in_and_refresh(x: XSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    client = Client(
        base_url=x.url,
        authorization_base_url=f"{x.url}/i",
        client_id="quarry-client",
        client_secret=SECRET,
        redirect_uri=BACK,
        scope=SCOPES,
    )
    back = urlsplit(httpx.get(client.get_authorization_url(state="a-state")).headers["location"])
    answered = parse_qs(back.query)
    assert answered["state"] == ["a-state"]
    first = client.exchange_code(answered["code"][0])
    assert first["expires_in"] == 7200
    second = client.refresh_token()
    assert second["access_token"] != first["access_token"]
    assert second["refresh_token"] != first["refresh_token"]
    assert x.requests[-1].form["grant_type"] == "refresh_token"
    client.session.close()
    client.oauth2_auth.oauth2_session.close()
