"""quarry post: add, list, show, edit, approve, schedule, publish, cancel, retry, resolve."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from app.bootstrap import Services
from app.cli.options import DataDir, Json, Limit, services, show
from app.core.clock import WallTime, local_zone
from app.core.errors import KnownError, ServiceDown, WrongUsage
from app.core.ids import Id, short
from app.core.words import Attempt, AttemptState, Post, PostState
from app.drafting.fit import as_content
from app.drafting.service import channel_of
from app.publishing.service import PostDetails
from publishers.api import Content, Media, Part
from publishers.errors import ErrorKind, PublishError

app = typer.Typer(name="post", help="Posts: approved content with an account and a time.", no_args_is_help=True)
_NO_POSTS = "There are no posts yet: `quarry draft`, then `quarry post approve`."
_POLL = 0.2  # seconds between two looks at a post another process publishes
PostId = Annotated[str, typer.Argument(metavar="POST", help="Its id, or the end of it.")]


@app.command()
def add(
    text: Annotated[str, typer.Argument(help="What it says.")],
    channel: Annotated[str, typer.Option(help="Where it goes, e.g. local, x, bluesky/thread.")],
    account: Annotated[str, typer.Option(help="Id of the account, or the end of it.")],
    media: Annotated[list[Path] | None, typer.Option(help="A picture or video. Repeatable.")] = None,
    alt: Annotated[list[str] | None, typer.Option(help="Words that describe each file, in the same order.")] = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Make a post without a draft."""
    where = channel_of(channel)
    with services(data_dir) as opened:
        words = [*(alt or []), *[""] * len(media or [])]
        files = tuple(Media(opened.media.attach(path), words[index]) for index, path in enumerate(media or []))
        content = as_content(text, where)
        first = content.parts[0] if content.parts else Part()
        content = Content((Part(first.text, files), *content.parts[1:]), content.fields, content.options)
        post = opened.publishing.add(content, where, account).result()
    _show(post, json)


@app.command("list")
def list_posts(
    state: Annotated[list[PostState] | None, typer.Option(help="Only posts in this state. Repeatable.")] = None,
    search: Annotated[str, typer.Option(help="Only posts that say this.")] = "",
    account: Annotated[str, typer.Option(help="Only posts of this account: its id, or the end of it.")] = "",
    limit: Limit = 50,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """List posts, the newest time first."""
    with services(data_dir) as opened:
        owner = opened.accounts.get(account).result().id if account else None
        posts = opened.store.read(
            lambda unit: unit.posts.listed(states=state or (), search=search, account_id=owner, limit=limit)
        ).result()
    none = "No post is like that." if state or search or account else _NO_POSTS
    text = "\n".join(_line(post) for post in posts) or none
    show([_json(post) for post in posts], text, as_json=json)


@app.command("show")
def show_post(post: PostId, data_dir: DataDir = None, json: Json = False) -> None:
    """Show a post with its attempts and where it is live."""
    with services(data_dir) as opened:
        details = opened.publishing.details(post).result()
    show(_details_json(details), _details_text(details), as_json=json)


@app.command()
def edit(
    post: PostId,
    text: Annotated[str, typer.Argument(help="What it says from now on; its files stay.")],
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Change a post that was not sent yet."""
    with services(data_dir) as opened:
        before = opened.publishing.get(post).result()
        content = as_content(text, before.channel)
        if before.content.parts and content.parts:
            first = Part(content.parts[0].text, before.content.parts[0].media)
            content = Content((first, *content.parts[1:]), before.content.fields, before.content.options)
        _show(opened.publishing.edit(before.id, content, before.version).result(), json)


@app.command()
def approve(
    draft: Annotated[str, typer.Argument(help="Id of the draft, or the end of it.")],
    account: Annotated[str, typer.Option(help="Id of the account, or the end of it.")],
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Make a post of a draft."""
    with services(data_dir) as opened:
        _show(opened.publishing.approve(draft, account).result(), json)


@app.command()
def schedule(
    post: PostId,
    at: Annotated[str, typer.Option(help="Wall-clock time, e.g. 2026-12-24T09:00.")],
    zone: Annotated[str, typer.Option(help="IANA time zone; this computer's where left out.")] = "",
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Give a post its time."""
    try:
        local = datetime.fromisoformat(at)
    except ValueError as error:
        raise WrongUsage(f"“{at}” is no time: write it like 2026-12-24T09:00.") from error
    if local.tzinfo is not None:
        raise WrongUsage("The time is what the clock on the wall shows: leave the offset out and name the zone.")
    with services(data_dir) as opened:
        when = WallTime(local, zone or opened.settings.zone or local_zone())
        _show(opened.publishing.schedule(post, when).result(), json)


@app.command()
def publish(post: PostId, data_dir: DataDir = None, json: Json = False) -> None:
    """Publish a post now and wait until it is live or something is needed."""
    with services(data_dir) as opened:
        due = opened.publishing.get(post).result()
        if due.state is not PostState.PUBLISHING:
            opened.publishing.publish_now(due.id, opened.settings.zone or local_zone()).result()
        elif not _held(opened, opened.publishing.details(due.id).result()):  # it waits for a time: do not
            opened.publishing.retry(due.id).result()
        details = _work_until_it_rests(opened, due.id)
    show(_details_json(details), _details_text(details), as_json=json)
    if details.post.state is not PostState.PUBLISHED:
        raise _not_published(details)


@app.command()
def cancel(post: PostId, data_dir: DataDir = None, json: Json = False) -> None:
    """Take a post off the schedule, or stop it while nothing was sent."""
    with services(data_dir) as opened:
        _show(opened.publishing.cancel(post).result(), json)


@app.command()
def retry(post: PostId, data_dir: DataDir = None, json: Json = False) -> None:
    """Go on with a post that failed or waited for you."""
    with services(data_dir) as opened:
        _show(opened.publishing.retry(post).result(), json)


@app.command()
def resolve(
    post: PostId,
    link: Annotated[str, typer.Option(help="It did go out: its address on the platform.")] = "",
    resend: Annotated[bool, typer.Option("--resend", help="It did not go out: send it again.")] = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Say whether a post went out whose answer was lost."""
    with services(data_dir) as opened:
        _show(opened.publishing.resolve(post, link=link, resend=resend).result(), json)


def _work_until_it_rests(opened: Services, post: Id) -> PostDetails:
    """Publish it, or wait for the Quarry that has taken it, until it is live, needs somebody or has to wait."""
    while True:
        opened.loop.run(opened.outbox.work_due()).result()
        details = opened.publishing.details(post).result()
        if not _held(opened, details):
            return details
        time.sleep(_POLL)


def _held(opened: Services, details: PostDetails) -> bool:
    """Whether a worker is busy with it."""
    until = details.attempts[0][0].lease_until if details.attempts else None
    return until is not None and until > opened.clock()


def _not_published(details: PostDetails) -> KnownError:
    post = details.post
    if post.message or not details.attempts:
        return KnownError(post.message or f"The post is {post.state.replace('_', ' ')}; `quarry post show` tells more.")
    attempt = details.attempts[0][0]
    told = attempt.message or "The platform is not done with it."
    when = f" at {attempt.next_at:%H:%M:%S} UTC" if attempt.next_at else ""
    if attempt.state is AttemptState.UNKNOWN:
        return ServiceDown(f"{told} Whether it went out is looked up{when}, by the window or `quarry daemon`.")
    later = f"{told} The post is kept and goes on{when}, by the window or `quarry daemon`."
    return ServiceDown(later) if _waits_for_a_service(attempt) else KnownError(later)


def _waits_for_a_service(attempt: Attempt) -> bool:
    return bool(attempt.error_kind) and PublishError(ErrorKind(attempt.error_kind), "").passes_by_itself


def _show(post: Post, as_json: bool) -> None:
    show(_json(post), _line(post), as_json=as_json)


def _line(post: Post) -> str:
    time = f"{post.wall_time.local:%Y-%m-%d %H:%M} {post.wall_time.zone}" if post.wall_time else "no time yet"
    text = " ".join(post.content.text.split())
    return f"{short(post.id)}  {post.state.replace('_', ' '):<12} {post.channel!s:<16} {time}  {text[:60]}"


def _json(post: Post) -> dict[str, Any]:
    return {
        "id": post.id,
        "state": post.state.value,
        "channel": str(post.channel),
        "account": post.account_id,
        "text": post.content.text,
        "wall_time": post.wall_time.local.isoformat() if post.wall_time else None,
        "zone": post.wall_time.zone if post.wall_time else None,
        "due": post.due_at.isoformat() if post.due_at else None,
        "message": post.message,
        "version": post.version,
    }


def _details_json(details: PostDetails) -> dict[str, Any]:
    return {
        **_json(details.post),
        "attempts": [
            {
                "id": attempt.id,
                "number": attempt.number,
                "state": attempt.state.value,
                "message": attempt.message,
                "detail": attempt.detail,
                "history": [
                    {
                        "time": run.at.isoformat() if run.at else None,
                        "step": run.step,
                        "event": run.event,
                        "message": run.message,
                        "seconds": round(run.seconds, 3),
                    }
                    for run in history
                ],
            }
            for attempt, history in details.attempts
        ],
        "publications": [
            {"id": publication.id, "part": publication.part, "permalink": publication.permalink}
            for publication in details.publications
        ],
    }


def _details_text(details: PostDetails) -> str:
    lines = [_line(details.post), f"Account: {details.account.label} ({details.account.platform})"]
    lines += [f"Live: {publication.permalink or publication.remote_id}" for publication in details.publications]
    if details.post.message:
        lines.append(details.post.message)
    for attempt, history in details.attempts:
        lines.append(f"Attempt {attempt.number}: {attempt.state}")
        lines += [f"  {run.at:%H:%M:%S} {run.step or '-'}: {run.event} {run.message}".rstrip() for run in history]
    return "\n".join([*lines, "", details.post.content.text])
