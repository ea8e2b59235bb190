"""Calls of X's API v2, one function each. Answers are checked before anything of them is used."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from publishers.api import Json
from publishers.errors import ErrorKind, Executed, PublishError
from publishers.http import Explain, Http, Response
from publishers.x.entities import parse_mention
from publishers.x.refusals import explain, explain_media, problem_name, reason, sentence

_ID = re.compile(r"[0-9]{1,19}")
_IDS_A_CALL = 100
_PAGES = 5  # of a timeline, 100 posts each: more than anyone posts between arming and looking
_LONGEST_CHECK = 600  # seconds; a platform that says more is asked sooner


@dataclass(frozen=True, slots=True)
class Me:
    """The account a token belongs to."""

    id: str
    handle: str
    name: str


@dataclass(frozen=True, slots=True)
class Processing:
    """How far X is with an uploaded file."""

    ready: bool
    check_after: timedelta = timedelta(0)
    stated: bool = True  # False: X says nothing of processing, which after a yes means that there is none


class XClient:
    """X for one account: `server` without a slash at the end, a user's access token."""

    def __init__(self, http: Http, server: str, access_token: str) -> None:
        self._http = http
        self._server = server.rstrip("/")
        self._headers = {"Authorization": f"Bearer {access_token}"}

    # ---- account -------------------------------------------------------------------------------

    async def me(self) -> Me:
        """Whose token it is."""
        data = _data(await self._call("GET", "/2/users/me", params={"user.fields": "name,username"}))
        handle = data.get("username")
        if not isinstance(handle, str) or parse_mention(f"@{handle}") is None:
            raise _unreadable("no username")
        name = data.get("name")
        return Me(_id(data), handle, name[:200] if isinstance(name, str) else "")

    # ---- posts ---------------------------------------------------------------------------------

    async def create_post(self, text: str, media_ids: Sequence[str] = (), reply_to: str = "") -> str:
        """Post; the new post's id."""
        body: dict[str, Json] = {"text": text}
        if media_ids:
            body["media"] = {"media_ids": list(media_ids)}
        if reply_to:
            body["reply"] = {"in_reply_to_tweet_id": reply_to}
        return _id(_data(await self._call("POST", "/2/tweets", json_body=body)))

    async def delete_post(self, post_id: str) -> None:
        """Delete; NOT_FOUND is raised where it is gone already."""
        await self._call("DELETE", f"/2/tweets/{post_id}")

    async def own_posts(self, user_id: str, since: datetime) -> Sequence[Mapping[str, Any]]:
        """The account's own posts from `since` on, newest first."""
        path = f"/2/users/{user_id}/tweets"
        start = since.astimezone(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")
        params = {"max_results": "100", "start_time": start}
        found: list[Mapping[str, Any]] = []
        for _ in range(_PAGES):
            answer = await self._read_posts(path, params, "attachments,conversation_id,created_at,entities,text")
            found += _rows(answer)
            meta = answer.get("meta")
            token = meta.get("next_token") if isinstance(meta, Mapping) else None
            if not isinstance(token, str) or not token:
                break
            params = {**params, "pagination_token": token}
        return found

    async def posts(self, post_ids: Sequence[str], fields: str) -> tuple[Sequence[Mapping[str, Any]], frozenset[str]]:
        """The posts that exist, and the ids X says it does not have."""
        rows: list[Mapping[str, Any]] = []
        missing: set[str] = set()
        for start in range(0, len(post_ids), _IDS_A_CALL):
            ids = ",".join(post_ids[start : start + _IDS_A_CALL])
            answer = await self._read_posts("/2/tweets", {"ids": ids}, fields)
            rows += _rows(answer)
            missing |= set(_missing(answer))
        return rows, frozenset(missing)

    async def _read_posts(self, path: str, params: Mapping[str, str], fields: str) -> Mapping[str, Any]:
        """Read posts. X renames a parameter: its description and client say post.fields, its prose tweet.fields."""
        try:
            answer = await self._call("GET", path, params={**params, "post.fields": fields})
        except PublishError as error:
            if error.kind is not ErrorKind.CONTENT:
                raise
            answer = await self._call("GET", path, params={**params, "tweet.fields": fields})
        return _object(answer)

    # ---- media ---------------------------------------------------------------------------------

    async def initialize_upload(self, media_type: str, size: int, category: str) -> str:
        """Start an upload; its id is the media id."""
        body: Json = {"media_type": media_type, "total_bytes": size, "media_category": category}
        answer = await self._call("POST", "/2/media/upload/initialize", json_body=body, explain=explain_media)
        return _id(_data(answer))

    async def append_upload(self, media_id: str, segment: int, chunk: bytes) -> None:
        """Send one segment."""
        await self._call(
            "POST",
            f"/2/media/upload/{media_id}/append",
            form={"segment_index": str(segment)},
            files={"media": ("segment", chunk, "application/octet-stream")},
            timeout=120.0,
            explain=explain_media,
        )

    async def finalize_upload(self, media_id: str) -> Processing:
        """Close an upload."""
        answer = await self._call("POST", f"/2/media/upload/{media_id}/finalize", explain=explain_media)
        return self._processing(answer)

    async def upload_status(self, media_id: str) -> Processing:
        """Ask how far the processing is."""
        params = {"command": "STATUS", "media_id": media_id}
        return self._processing(await self._call("GET", "/2/media/upload", params=params, explain=explain_media))

    async def describe_media(self, media_id: str, alt: str) -> None:
        """Set the alternative text."""
        body: Json = {"id": media_id, "metadata": {"alt_text": {"text": alt}}}
        await self._call("POST", "/2/media/metadata", json_body=body, explain=explain_media)

    def _processing(self, response: Response) -> Processing:
        """No processing_info means ready. Raises PublishError(MEDIA) where X could not use the file."""
        info = _data(response).get("processing_info")
        if not isinstance(info, Mapping):
            return Processing(ready=True, stated=False)
        state = info.get("state")
        if state == "failed":
            why = reason(_object(response)) or reason({"errors": [info.get("error")]})
            raise PublishError(
                ErrorKind.MEDIA, sentence(ErrorKind.MEDIA, self._http.redact(why)), platform_code="processing failed"
            )
        wait = info.get("check_after_secs")
        seconds = wait if isinstance(wait, int) and not isinstance(wait, bool) else 5
        return Processing(
            ready=state == "succeeded", check_after=timedelta(seconds=min(max(seconds, 1), _LONGEST_CHECK))
        )

    # ---- one call ------------------------------------------------------------------------------

    async def _call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        json_body: Json = None,
        form: Mapping[str, str] | None = None,
        files: Mapping[str, tuple[str, bytes, str]] | None = None,
        timeout: float = 30.0,
        explain: Explain = explain,
    ) -> Response:
        return await self._http.bound(explain=explain).request(
            method,
            self._server + path,
            headers=self._headers,
            params=params,
            json_body=json_body,
            form=form,
            files=files,
            timeout=timeout,
        )


# ---- reading answers -----------------------------------------------------------------------------


def _unreadable(what: str) -> PublishError:
    return PublishError(
        ErrorKind.PLATFORM_DOWN,
        "X gave an answer that cannot be read; nothing was lost, Quarry looks again later.",
        executed=Executed.UNKNOWN,
        detail=what,
    )


def _object(response: Response) -> Mapping[str, Any]:
    answer = response.json()
    if not isinstance(answer, Mapping):
        raise _unreadable("not an object")
    return answer


def _data(response: Response) -> Mapping[str, Any]:
    data = _object(response).get("data")
    if not isinstance(data, Mapping):
        raise _unreadable("no data")
    return data


def _id(data: Mapping[str, Any]) -> str:
    found = data.get("id")
    if not isinstance(found, str) or not _ID.fullmatch(found):
        raise _unreadable("no id")
    return found


def _rows(answer: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The posts of an answer that have an id; an empty timeline has no `data` at all."""
    data = answer.get("data", [])
    if not isinstance(data, list):
        raise _unreadable("data is no list")
    for row in data:
        if isinstance(row, Mapping) and isinstance(row.get("id"), str) and _ID.fullmatch(row["id"]):
            yield row


def _missing(answer: Mapping[str, Any]) -> Iterator[str]:
    errors = answer.get("errors", [])
    for error in errors if isinstance(errors, list) else []:
        if isinstance(error, Mapping) and problem_name(error) == "resource-not-found":
            named = error.get("resource_id") or error.get("value")
            if isinstance(named, str):
                yield named
