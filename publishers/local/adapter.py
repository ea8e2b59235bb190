"""The local folder as a platform: the attempt's id is the post's name, so reconciling is sure.

An account's `Identity` holds the folder (`remote_id`), the title (`handle`) and the address under which the folder
is seen (`server`, ends with a slash: http, or file where no web server shows it). The path of the access log comes
as `Context.settings["access_log"]`, the answer to the question of that name.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from publishers.api import (
    Capabilities,
    Connected,
    Content,
    Context,
    Count,
    Done,
    Found,
    Gone,
    Identity,
    Issue,
    Media,
    Metrics,
    NotFound,
    Outcome,
    Plan,
    Reconciled,
    State,
    Step,
    StepKind,
    TokenSet,
    Wait,
)
from publishers.checks import common_issues
from publishers.errors import ErrorKind, PublishError
from publishers.http import Http
from publishers.local.access_log import Views, count_views
from publishers.local.feed import atom_feed
from publishers.local.folder import Folder, StoredPost
from publishers.local.page import index_page, post_page, post_path
from publishers.local.spec import CAPABILITIES, MAX_FILES
from publishers.text import count_in

PLAN_VERSION = 1
MAX_TITLE = 200  # characters
REBUILDS = 5  # of the feed, while other workers publish at the same moment


@dataclass(frozen=True, slots=True)
class LocalFolder:
    """The adapter; stateless."""

    capabilities: Capabilities = CAPABILITIES

    def count(self, text: str, format_id: str = "") -> Count:
        """Code points."""
        chosen = self.capabilities.format(format_id)
        return Count(count_in(chosen.unit, text), chosen.text.value, chosen.unit)

    def validate(self, content: Content, format_id: str = "") -> Sequence[Issue]:
        """The common checks, and at most ten files of all kinds together."""
        issues = common_issues(self.capabilities, content, format_id, self.count)
        files = sum(len(part.media) for part in content.parts)
        if files > MAX_FILES and not any(issue.code == "media.too_many" for issue in issues):
            message = f"A post in a folder takes {MAX_FILES} files, this has {files}: remove some."
            issues.append(Issue("error", "media.too_many", message))
        return issues

    def plan(self, content: Content, format_id: str = "") -> Plan:
        """Copy the files, make the post live by one rename, rebuild the feed."""
        self.capabilities.format(format_id)
        files = [media for part in content.parts for media in part.media]
        steps = [
            *([Step("media", StepKind.PREPARE_MEDIA, partial(_copy_next, files))] if files else []),
            Step("commit", StepKind.COMMIT, partial(_commit, content), arm=_arm),
            Step("feed", StepKind.AFTER_COMMIT, _rebuild),
        ]
        return Plan(PLAN_VERSION, tuple(steps))

    async def reconcile(
        self, context: Context, content: Content, step: str, state: State, since: datetime
    ) -> Reconciled:
        """Look for the post by its name. Authoritative."""
        name = str(state["post"])
        if await asyncio.to_thread(_folder(context).holds, name):
            return Found(name, _permalink(context.identity, name), state)
        return NotFound(authoritative=True)

    async def sign_in(self, http: Http, answers: Mapping[str, str], now: datetime) -> Connected:
        """Make the folder and prove that it can be written. Raises PublishError with what to change."""
        root = _answered_path(answers, "folder", "folder")
        title = " ".join(answers.get("title", "").split())[:MAX_TITLE] or root.name
        server = _answered_address(answers.get("base_url", ""), root)
        if answers.get("access_log", "").strip():
            _answered_path(answers, "access_log", "access log")
        folder = Folder(root)
        await asyncio.to_thread(folder.make)
        identity = Identity(remote_id=str(root), handle=title, server=server, name=title)
        await asyncio.to_thread(_rebuild_now, folder, identity, now)
        return Connected(identity, TokenSet())

    async def delete(self, context: Context, remote_id: str) -> None:
        """Remove the post and rebuild the feed."""
        folder = _folder(context)
        await asyncio.to_thread(folder.remove, remote_id)
        await asyncio.to_thread(_rebuild_now, folder, context.identity, context.now())

    async def post_metrics(self, context: Context, remote_ids: Sequence[str]) -> Mapping[str, Metrics | Gone]:
        """Views from the access log; without a log they are not known."""
        folder = _folder(context)
        log = context.settings.get("access_log")
        views = await asyncio.to_thread(_read_log, Path(log)) if isinstance(log, str) and log.strip() else None
        found: dict[str, Metrics | Gone] = {}
        for name in remote_ids:
            live = await asyncio.to_thread(folder.holds, name)
            found[name] = _metrics(views, name) if live else Gone()
        return found


adapter = LocalFolder()


# ---- the steps -----------------------------------------------------------------------------------


async def _copy_next(files: Sequence[Media], context: Context, state: State) -> tuple[State, Outcome]:
    """Copy one file at a time, so that a large post resumes at the file it stood at."""
    copied = state.get("copied", 0)
    at = copied if isinstance(copied, int) else 0
    if at < len(files):
        await asyncio.to_thread(_folder(context).stage, context.attempt, files[at])
        at += 1
    done = at >= len(files)
    return {**state, "copied": at}, Done() if done else Wait(reason=f"{at} of {len(files)} files copied")


def _arm(context: Context, state: State) -> State:
    return {**state, "post": context.attempt, "published": context.now().isoformat()}


async def _commit(content: Content, context: Context, state: State) -> tuple[State, Outcome]:
    name = str(state["post"])
    post = StoredPost(name, datetime.fromisoformat(str(state["published"])), content)
    page = post_page(post, context.identity.handle)
    await asyncio.to_thread(_folder(context).commit, post, page)
    return state, Done(name, _permalink(context.identity, name))


async def _rebuild(context: Context, state: State) -> tuple[State, Outcome]:
    folder = _folder(context)
    await asyncio.to_thread(_rebuild_now, folder, context.identity, context.now())
    await asyncio.to_thread(folder.sweep)
    return state, Done()


def _rebuild_now(folder: Folder, identity: Identity, now: datetime) -> None:
    """Write index and feed from what is live. Looks again afterwards, so that of two workers at the same moment
    the last one has seen both posts."""
    feed_id = folder.feed_id()
    for _ in range(REBUILDS):
        names = folder.names()
        posts = folder.posts()
        folder.replace("index.html", index_page(posts, identity.handle))
        folder.replace(
            "feed.xml", atom_feed(posts, site=identity.handle, address=identity.server, feed_id=feed_id, now=now)
        )
        if folder.names() == names:
            return


# ---- small parts ---------------------------------------------------------------------------------


def _folder(context: Context) -> Folder:
    return Folder(Path(context.identity.remote_id))


def _permalink(identity: Identity, name: str) -> str:
    path = post_path(name)
    if identity.server.startswith("file:"):
        return identity.server + path
    return identity.server + path.removesuffix("index.html")


def _metrics(views: Views | None, name: str) -> Metrics:
    if views is None:
        return Metrics()
    raw = {"lines": views.lines, "malformed": views.malformed, "robots": views.robots, "cut": views.cut}
    return Metrics(views=views.of(name), raw=raw)


def _read_log(log: Path) -> Views | None:
    try:
        views = count_views(log)
    except FileNotFoundError:
        return None  # the web server has not written it yet, or rotates it just now
    except OSError as error:
        raise PublishError(
            ErrorKind.PERMISSION,
            f"The access log {log} cannot be read; views stay as they were: allow Quarry to read it.",
            detail=str(error),
        ) from error
    if views.lines and views.malformed == views.lines:
        raise PublishError(
            ErrorKind.CONTENT,
            f"No line of the access log {log} is in combined format; views stay as they were: name another log, or set "
            "the web server to write that format.",
        )
    return views


def _answered_path(answers: Mapping[str, str], question: str, word: str) -> Path:
    answer = answers.get(question, "").strip()
    path = Path(answer).expanduser() if answer and "\0" not in answer else Path()
    if not path.is_absolute():
        raise PublishError(
            ErrorKind.CONTENT, f"The {word} {answer!r} is no absolute path; nothing was changed: name it from the root."
        )
    return path


def _answered_address(answer: str, root: Path) -> str:
    """The folder's address with a slash at the end."""
    answer = answer.strip()
    if not answer:
        return root.as_uri() + "/"
    try:
        parts = urlsplit(answer)
        usable = parts.scheme in {"http", "https"} and parts.hostname and not (parts.query or parts.fragment)
    except ValueError:
        usable = False
    if not usable or any(character.isspace() for character in answer):
        raise PublishError(
            ErrorKind.CONTENT,
            f"The web address {answer!r} is none; nothing was changed: it looks like https://example.org/blog/.",
        )
    return answer.rstrip("/") + "/"
