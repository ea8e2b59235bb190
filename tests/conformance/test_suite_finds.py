"""The suite fails where an adapter is wrong: one wrong Pond for each kind of case."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import pytest

from publishers.api import (
    CannotTell,
    Content,
    Context,
    Done,
    Identity,
    Media,
    NotFound,
    Outcome,
    Plan,
    Reconcile,
    Reconciled,
    State,
    Step,
    StepKind,
    TokenSet,
    Wait,
)
from publishers.errors import ErrorKind, Executed, PublishError
from publishers.http import Http
from publishers.testing.bench import trial
from publishers.testing.conformance import Call, ConformanceSuite, Fault, FaultKind
from publishers.testing.record import Phase
from tests.conformance.pond import CAPABILITIES, PART_BYTES, Pond, call
from tests.conformance.pond_platform import PondUnderTest
from tests.conformance.pond_server import PondServer


class SaysNeverThere(Pond):
    """Reconciles without looking, and with a new key for every run."""

    async def reconcile(
        self, context: Context, content: Content, step: str, state: State, since: datetime
    ) -> Reconciled:
        return NotFound(authoritative=True)

    async def commit(
        self, text: str, media: Sequence[str], index: int, context: Context, state: State
    ) -> tuple[State, Outcome]:
        return await super().commit(text, media, index, context, {**state, f"key {index}": secrets.token_hex(8)})


class CallsLossesRefusals(SaysNeverThere):
    """Takes a lost answer for one that was never given."""

    async def commit(
        self, text: str, media: Sequence[str], index: int, context: Context, state: State
    ) -> tuple[State, Outcome]:
        try:
            return await super().commit(text, media, index, context, state)
        except PublishError as error:
            error.executed = Executed.NO
            raise


class StripsText(Pond):
    def plan(self, content: Content, format_id: str = "") -> Plan:
        parts = tuple(replace(part, text=part.text.replace("\n", " ")) for part in content.parts)
        return super().plan(replace(content, parts=parts), format_id)


class CommitsEarly(Pond):
    """Makes the post live in a step that is called harmless."""

    def plan(self, content: Content, format_id: str = "") -> Plan:
        first = Step("early", StepKind.CREATE_CONTAINER, self.early(content))
        rest = Step("post 0", StepKind.COMMIT, self.nothing)
        return Plan(1, (first, rest))

    def early(self, content: Content) -> Callable:
        async def run(context: Context, state: State) -> tuple[State, Outcome]:
            armed = self.arm(0, context, state)
            state, _ = await self.commit(content.parts[0].text, (), 0, context, armed)
            return state, Done()

        return run

    async def nothing(self, context: Context, state: State) -> tuple[State, Outcome]:
        return state, Done(str(state["post 0"]))


class StartsOver(Pond):
    """Uploads from the first byte again after any trouble: keeps no offset and takes a new upload each run."""

    async def upload(self, media: Media, name: str, context: Context, state: State) -> tuple[State, Outcome]:
        made = await call(context, "POST", "/uploads")
        data = media.facts.path.read_bytes()
        for at in range(0, len(data), PART_BYTES):
            await call(context, "PUT", f"/uploads/{made['id']}?offset={at}", content=data[at : at + PART_BYTES])
        await call(context, "POST", f"/uploads/{made['id']}/finish")
        return {**state, name: made["id"]}, Done()


class SkipsAPart(Pond):
    async def upload(self, media: Media, name: str, context: Context, state: State) -> tuple[State, Outcome]:
        state, outcome = await super().upload(media, name, context, state)
        asked = await call(context, "GET", f"/uploads/{state[name]}")
        if isinstance(outcome, Wait) and asked["received"] >= PART_BYTES:
            await call(context, "POST", f"/uploads/{state[name]}/finish")
            return state, Done()
        return state, outcome


class DisconnectsAtOnce(Pond):
    async def refresh(self, http: Http, identity: Identity, tokens: TokenSet) -> TokenSet:
        try:
            return await super().refresh(http, identity, tokens)
        except PublishError as error:
            raise PublishError(ErrorKind.AUTH, "Connect the account again.") from error


class NeedsThePermalink(Pond):
    """Looks the address up inside the commit and fails with it."""

    async def commit(
        self, text: str, media: Sequence[str], index: int, context: Context, state: State
    ) -> tuple[State, Outcome]:
        state, outcome = await super().commit(text, media, index, context, state)
        try:
            await call(context, "GET", f"/posts/{state[f'post {index}']}")
        except PublishError as error:
            raise PublishError(ErrorKind.BUG, "no address") from error
        return state, outcome


class RetriesRefusedMedia(Pond):
    async def upload(self, media: Media, name: str, context: Context, state: State) -> tuple[State, Outcome]:
        try:
            return await super().upload(media, name, context, state)
        except PublishError as error:
            if error.kind is ErrorKind.MEDIA:
                raise PublishError(ErrorKind.PLATFORM_DOWN, "try later") from error
            raise


class ForgetsRetryAfter(Pond):
    async def commit(
        self, text: str, media: Sequence[str], index: int, context: Context, state: State
    ) -> tuple[State, Outcome]:
        try:
            return await super().commit(text, media, index, context, state)
        except PublishError as error:
            error.retry_at = None
            raise


class KeepsTheTokenInState(Pond):
    def arm(self, index: int, context: Context, state: State) -> State:
        return {**super().arm(index, context, state), "token": context.tokens.access_token}


class ShowsTheToken(Pond):
    async def commit(
        self, text: str, media: Sequence[str], index: int, context: Context, state: State
    ) -> tuple[State, Outcome]:
        try:
            return await super().commit(text, media, index, context, state)
        except PublishError as error:
            error.detail += f" sent with {context.tokens.access_token}"
            raise


class DeletesOnce(Pond):
    async def delete(self, context: Context, remote_id: str) -> None:
        await call(context, "DELETE", f"/posts/{remote_id}")


@dataclass(frozen=True)
class Finds:
    wrong: Pond
    case: Callable[..., None]
    arguments: tuple = ()


_SUITE = ConformanceSuite()
_LOST_ANSWER = _SUITE.test_lost_answer_is_looked_up_before_anything_is_sent_again
FINDS = [
    Finds(SaysNeverThere(), _SUITE.test_crash_at_every_moment_leaves_one_post),
    Finds(
        SaysNeverThere(), _SUITE.test_lost_answer_is_looked_up_before_anything_is_sent_again, (FaultKind.DROP_ANSWER,)
    ),
    Finds(SaysNeverThere(), _SUITE.test_second_commit_of_the_same_armed_state_makes_no_second_post),
    Finds(CallsLossesRefusals(), _LOST_ANSWER, (FaultKind.DOWN_AFTER,)),
    Finds(StripsText(), _SUITE.test_text_arrives_byte_identical),
    Finds(CommitsEarly(), _SUITE.test_cancel_before_the_commit_leaves_nothing_live),
    Finds(StartsOver(), _SUITE.test_upload_goes_on_at_the_right_byte, (FaultKind.CUT_UPLOAD,)),
    Finds(SkipsAPart(), _SUITE.test_file_arrives_whole),
    Finds(DisconnectsAtOnce(), _SUITE.test_refresh_cut_by_the_network_does_not_disconnect),
    Finds(NeedsThePermalink(), _SUITE.test_failed_permalink_lookup_leaves_it_published),
    Finds(RetriesRefusedMedia(), _SUITE.test_refused_media_is_an_error_with_the_platforms_reason),
    Finds(ForgetsRetryAfter(), _SUITE.test_rate_limit_is_honoured),
    Finds(KeepsTheTokenInState(), _SUITE.test_no_secret_in_errors_and_states),
    Finds(ShowsTheToken(), _SUITE.test_no_secret_in_errors_and_states),
    Finds(DeletesOnce(), _SUITE.test_deleting_twice_is_no_error),
]


@pytest.mark.parametrize("finds", FINDS, ids=lambda finds: f"{type(finds.wrong).__name__}-{finds.case.__name__[5:25]}")
def test_the_suite_finds(finds: Finds, tmp_path: Path, server: PondServer) -> None:
    server.takes_keys = isinstance(finds.wrong, SaysNeverThere) is False
    platform = PondUnderTest(tmp_path, server, finds.wrong)
    with pytest.raises((AssertionError, PublishError)):
        finds.case(platform, *finds.arguments)


HEURISTIC = replace(CAPABILITIES, reconcile=Reconcile.HEURISTIC)
HUMAN = replace(CAPABILITIES, reconcile=Reconcile.HUMAN)


class IsNotSure(Pond):
    """Finds what is live, but cannot say for certain that something is not."""

    async def reconcile(
        self, context: Context, content: Content, step: str, state: State, since: datetime
    ) -> Reconciled:
        found = await super().reconcile(context, content, step, state, since)
        return NotFound(authoritative=False) if isinstance(found, NotFound) else found


class CannotKnow(Pond):
    async def reconcile(
        self, context: Context, content: Content, step: str, state: State, since: datetime
    ) -> Reconciled:
        return CannotTell("Pond has no list of posts.")


def test_what_the_platform_cannot_say_the_creator_is_asked(tmp_path: Path, server: PondServer) -> None:
    platform = PondUnderTest(tmp_path, server, IsNotSure(HEURISTIC))
    _SUITE.test_crash_at_every_moment_leaves_one_post(platform)
    server.faults.add(platform.routes[Call.COMMIT], Fault(FaultKind.RESET))
    assert trial(platform).run().phase is Phase.ASKS


def test_what_is_live_must_be_found_unless_only_a_person_can(tmp_path: Path, server: PondServer) -> None:
    server.faults.add(PondUnderTest.routes[Call.COMMIT], Fault(FaultKind.DROP_ANSWER, times=2))
    asked = trial(PondUnderTest(tmp_path, server, CannotKnow(HUMAN)))
    assert asked.run().phase is Phase.ASKS
    asked.assert_published_once(asked.finish())
    with pytest.raises(AssertionError, match="reconcile"):
        _SUITE.test_lost_answer_is_looked_up_before_anything_is_sent_again(
            PondUnderTest(tmp_path, server, CannotKnow(HEURISTIC)),
            FaultKind.DROP_ANSWER,
        )


def test_the_reference_worker_sends_nothing_after_cancel(platform: PondUnderTest) -> None:
    one = trial(platform)
    attempt = one.attempt()
    assert attempt.cancel()
    assert asyncio.run(attempt.run()).phase == "canceled"
    assert platform.server.requests == ()
