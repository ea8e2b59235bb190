"""Every kind of request the adapter sends, and what the simulator answers, against X's own OpenAPI description."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from openapi_core import Config, OpenAPI
from openapi_core.testing import MockRequest, MockResponse

from publishers.api import Content, Part
from publishers.errors import PublishError
from publishers.http import open_http
from publishers.testing.attempt import Phase
from publishers.testing.bench import Trial
from publishers.testing.conformance import Sample
from publishers.testing.samples import film, picture
from publishers.testing.x import Exchange
from publishers.x.adapter import adapter
from publishers.x.client import XClient
from publishers.x.spec import CHUNK
from tests.publishers.x.under_test import XUnderTest
from tests.requirements import require_specs

pytestmark = [
    pytest.mark.specs,
    pytest.mark.filterwarnings("ignore:Unsupported scheme type"),  # openapi-core checks no OAuth; the simulator does
]

ROUTES = {
    "GET /2/users/me",
    "GET /2/users/{id}/tweets",
    "POST /2/tweets",
    "GET /2/tweets",
    "DELETE /2/tweets/{id}",
    "POST /2/media/upload/initialize",
    "POST /2/media/upload/{id}/append",
    "POST /2/media/upload/{id}/finalize",
    "GET /2/media/upload",
    "POST /2/media/metadata",
}


def _number_or_text(value: bytes, **_parameters: str) -> int | str:
    """openapi-core reads the parts of a multipart form as text; the one number among them is made one here."""
    text = value.decode()
    return int(text) if text.isdigit() else text


@pytest.fixture(scope="session")
def description() -> OpenAPI:
    spec = json.loads((require_specs("x") / "openapi-2.167-trimmed.json").read_text("utf-8"))
    readers: dict[str, Callable[..., Any]] = {"text/plain": _number_or_text, "application/problem+json": json.loads}
    return OpenAPI.from_dict(spec, config=Config(extra_media_type_deserializers=readers))


def faults(description: OpenAPI, exchange: Exchange) -> Iterator[str]:
    """What the description finds wrong with a request and its answer."""
    sent, answer = exchange.request, exchange.answer
    request = MockRequest(
        "https://api.x.com",
        sent.method.lower(),
        sent.path,
        args=sent.params,
        headers=dict(sent.headers),
        data=sent.body or None,
        content_type=sent.headers.get("content-type", "application/json"),
    )
    content_type = answer.headers["Content-Type"].partition(";")[0]
    response = MockResponse(answer.body, answer.status, content_type=content_type)
    for what, result in (
        ("request", description.unmarshal_request(request)),
        ("answer", description.unmarshal_response(request, response)),
    ):
        for error in result.errors:
            yield f"{what} {sent.method} {sent.path}: {error!r} {error.__cause__!r}"


def all_calls(platform: XUnderTest, folder: Path) -> None:
    """A thread with pictures and a film; look for it, measure it, delete it, ask who we are."""
    parts = (
        Part("first, with example.com & more", (picture(folder, alt="blue"), picture(folder, "b.png"))),
        Part("second", (film(folder, size=CHUNK + 9, alt="noise"),)),
        Part("third"),
    )
    content = Content(parts)
    trial = Trial(platform, Sample("all", content, "thread"), "", folder / "record.json")
    since = platform.clock.now()
    record = trial.run()
    assert record.phase is Phase.PUBLISHED, record

    async def afterwards() -> None:
        async with platform.open_context(platform.tokens, "a") as context:
            await adapter.reconcile(context, content, "post-1", {}, since)
            await adapter.post_metrics(context, [record.remote_id, "12"])
            await adapter.delete(context, record.remote_id)
            await adapter.delete(context, record.remote_id)
        async with open_http() as http:
            await XClient(http, platform.simulator.url, platform.tokens.access_token).me()

    asyncio.run(afterwards())


def routes_of(exchanges: Sequence[Exchange]) -> set[str]:
    return {f"{one.request.method} {re.sub('/[0-9]+(?=/|$)', '/{id}', one.request.path[2:])}" for one in exchanges}


def test_every_request_and_answer_is_as_described(platform: XUnderTest, tmp_path: Path, description: OpenAPI) -> None:
    all_calls(platform, tmp_path)
    exchanges = platform.simulator.exchanges
    assert routes_of(exchanges) == {route.replace("/2/", "/", 1) for route in ROUTES}
    assert [fault for exchange in exchanges for fault in faults(description, exchange)] == []


@pytest.mark.parametrize(
    "body",
    [{"text": 5}, {"txt": "a"}, {"text": "a", "media": {"media_ids": []}}, {"reply": {"in_reply_to_tweet_id": "x"}}],
)
def test_the_description_does_find_faults(platform: XUnderTest, description: OpenAPI, body: Any) -> None:
    async def send() -> None:
        async with open_http() as http:
            await http.request(
                "POST",
                f"{platform.simulator.url}/2/tweets",
                json_body=body,
                headers={"Authorization": f"Bearer {platform.tokens.access_token}"},
            )

    with pytest.raises(PublishError):
        asyncio.run(send())
    (exchange,) = platform.simulator.exchanges
    assert any(fault.startswith("request") for fault in faults(description, exchange))
