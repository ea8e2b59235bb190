"""The adapter of Pond, written the way an adapter should be."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import Any

from publishers.api import (
    AuthKind,
    Capabilities,
    Connected,
    Content,
    Context,
    Count,
    Done,
    Format,
    Found,
    Gone,
    Identity,
    Issue,
    Limit,
    Media,
    MediaKind,
    Metrics,
    NotFound,
    Outcome,
    Plan,
    Reconcile,
    Reconciled,
    State,
    Step,
    StepKind,
    TokenSet,
    Unit,
    Wait,
)
from publishers.checks import common_issues
from publishers.errors import ErrorKind, PublishError
from publishers.http import Http, Response
from publishers.text import count_in

PART_BYTES = 100_000


def _rule(value: int) -> Limit:
    return Limit(value, "the pond's rules", date(2026, 1, 1))


def _format(name: str, parts: int) -> Format:
    return Format(
        id=name,
        text=_rule(300),
        unit=Unit.GRAPHEMES,
        parts=parts,
        media={MediaKind.VIDEO: _rule(2)},
        media_bytes={MediaKind.VIDEO: _rule(10**7)},
        mimes=("video/mp4",),
    )


CAPABILITIES = Capabilities(
    platform="pond",
    name="Pond",
    server="",
    formats=(_format("post", 1), _format("thread", 10)),
    auth=AuthKind.PASSWORD,
    reconcile=Reconcile.AUTHORITATIVE,
    metrics=("views",),
    can_delete=True,
    thread=True,
)


@dataclass(frozen=True)
class Pond:
    capabilities: Capabilities = CAPABILITIES

    def count(self, text: str, format_id: str = "") -> Count:
        chosen = self.capabilities.format(format_id)
        return Count(count_in(chosen.unit, text), chosen.text.value, chosen.unit)

    def validate(self, content: Content, format_id: str = "") -> Sequence[Issue]:
        return common_issues(self.capabilities, content, format_id, self.count)

    def plan(self, content: Content, format_id: str = "") -> Plan:
        steps: list[Step] = []
        for index, part in enumerate(content.parts):
            for number, media in enumerate(part.media):
                name = f"media {index}.{number}"
                steps.append(Step(name, StepKind.PREPARE_MEDIA, partial(self.upload, media, name)))
            names = [f"media {index}.{number}" for number in range(len(part.media))]
            commit = partial(self.commit, part.text, names, index)
            steps.append(Step(f"post {index}", StepKind.COMMIT, commit, arm=partial(self.arm, index)))
        steps.append(Step("permalink", StepKind.AFTER_COMMIT, self.look_up))
        return Plan(1, tuple(steps))

    async def reconcile(
        self, context: Context, content: Content, step: str, state: State, since: datetime
    ) -> Reconciled:
        index = int(step.split()[1])
        answer = await call(context, "GET", f"/posts?key={state[f'key {index}']}")
        for name in answer["posts"]:
            return Found(name, "", {**state, f"post {index}": name})
        return NotFound(authoritative=True)

    # ---- steps

    async def upload(self, media: Media, name: str, context: Context, state: State) -> tuple[State, Outcome]:
        """One part each time it is run, from the byte the platform has."""
        upload = state.get(name)
        if upload is None:
            made = await call(context, "POST", "/uploads")
            return {**state, name: made["id"]}, Wait()
        at = (await call(context, "GET", f"/uploads/{upload}"))["received"]
        if at < media.facts.size:
            with media.facts.path.open("rb") as file:
                file.seek(at)
                await call(context, "PUT", f"/uploads/{upload}?offset={at}", content=file.read(PART_BYTES))
            return state, Wait()
        await call(context, "POST", f"/uploads/{upload}/finish")
        return state, Done()

    def arm(self, index: int, context: Context, state: State) -> State:
        return {**state, f"key {index}": secrets.token_hex(8)}

    async def commit(
        self, text: str, media: Sequence[str], index: int, context: Context, state: State
    ) -> tuple[State, Outcome]:
        body = {
            "text": text,
            "media": [state[name] for name in media],
            "key": state[f"key {index}"],
            "reply_to": state.get(f"post {index - 1}", ""),
        }
        made = await call(context, "POST", "/posts", content=json.dumps(body).encode())
        return {**state, f"post {index}": made["id"]}, Done(made["id"])

    async def look_up(self, context: Context, state: State) -> tuple[State, Outcome]:
        post = await call(context, "GET", f"/posts/{state['post 0']}")
        return state, Done(permalink=post["url"])

    # ---- roles

    async def sign_in(self, http: Http, answers: Mapping[str, str], now: datetime) -> Connected:
        return Connected(Identity("1", "frog", answers["server"]), TokenSet(answers["access"], answers["refresh"]))

    async def refresh(self, http: Http, identity: Identity, tokens: TokenSet) -> TokenSet:
        form = {"grant_type": "refresh_token", "refresh_token": tokens.refresh_token}
        made = (await http.bound(explain=explain).request("POST", f"{identity.server}/token", form=form)).json()
        return TokenSet(made["access_token"], made["refresh_token"])

    async def delete(self, context: Context, remote_id: str) -> None:
        try:
            await call(context, "DELETE", f"/posts/{remote_id}")
        except PublishError as error:
            if error.kind is not ErrorKind.NOT_FOUND:
                raise

    async def post_metrics(self, context: Context, remote_ids: Sequence[str]) -> Mapping[str, Metrics | Gone]:
        found: dict[str, Metrics | Gone] = {}
        for name in remote_ids:
            try:
                found[name] = Metrics(views=(await call(context, "GET", f"/posts/{name}"))["views"])
            except PublishError as error:
                if error.kind is not ErrorKind.NOT_FOUND:
                    raise
                found[name] = Gone()
        return found


def explain(response: Response) -> PublishError | None:
    """Pond's own codes."""
    said = response.json() if response.status < 500 else {}
    match said.get("error"):
        case "bad_media":
            return PublishError(ErrorKind.MEDIA, f"Pond refuses the file: {said['message']}.")
        case "invalid_grant":
            return PublishError(ErrorKind.AUTH, "Pond no longer knows this sign-in: connect the account again.")
    return None


async def call(context: Context, method: str, path: str, content: bytes | None = None) -> Any:
    http = context.http.bound(explain=explain)
    headers = {"Authorization": f"Bearer {context.tokens.access_token}"}
    response = await http.request(method, context.identity.server + path, headers=headers, content=content)
    return response.json()


adapter = Pond()
