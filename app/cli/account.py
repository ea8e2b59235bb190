"""quarry account: add, list, test, remove."""

from __future__ import annotations

import asyncio
import getpass
import sys
import webbrowser
from typing import Annotated, Any

import typer

from app.bootstrap import Services
from app.cli.options import Call, DataDir, Json, Limit, say, services, show
from app.core.errors import KnownError, WrongUsage
from app.core.ids import short
from app.core.words import Account
from publishers import registry
from publishers.api import AuthKind, Capabilities, Question

app = typer.Typer(name="account", help="Connected identities on platforms.", no_args_is_help=True)
AccountId = Annotated[str, typer.Argument(metavar="ACCOUNT", help="Its id, or the end of it.")]


@app.command()
def add(
    context: typer.Context,
    platform: Annotated[str, typer.Argument(help="local, bluesky, x…")],
    answer: Annotated[
        list[str] | None,
        typer.Option("--answer", help="An answer to the connect form as id=value; secrets are asked for instead."),
    ] = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Connect an account. Secrets come from a prompt or, one a line in the form's order, from standard input."""
    capabilities = _capabilities(platform)
    call: Call = context.obj
    answers = _answers(capabilities, answer or [], call.secrets)
    with services(data_dir) as opened:
        account = _connect(opened, capabilities, answers)
    show(_json(account), f"Connected {account.label} on {capabilities.name} ({short(account.id)}).", as_json=json)


@app.command("list")
def list_accounts(
    platform: Annotated[str, typer.Option(help="Only accounts of this platform.")] = "",
    limit: Limit = 50,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """List connected accounts, the oldest first."""
    with services(data_dir) as opened:
        accounts = opened.accounts.all(platform or None).result()[:limit]
    lines = [_line(account) for account in accounts]
    none = f"No account on {platform}." if platform else "No accounts yet."
    show(
        [_json(account) for account in accounts],
        "\n".join(lines) or f"{none} `quarry account add local --answer folder=/path` is the quickest.",
        as_json=json,
    )


@app.command("test")
def check_account(
    account: AccountId,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Check that an account can be used."""
    with services(data_dir) as opened:
        found = opened.accounts.get(account).result()
        opened.loop.run(opened.accounts.test(found.id)).result()
    show({"id": found.id, "ok": True}, f"{found.label} works.", as_json=json)


@app.command()
def remove(
    account: AccountId,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Disconnect an account and delete its secrets; its posts stay."""
    with services(data_dir) as opened:
        found = opened.accounts.get(account).result()
        opened.loop.run(opened.accounts.remove(found.id)).result()
    show({"id": found.id, "removed": True}, f"{found.label} is disconnected; its posts are kept.", as_json=json)


def _connect(opened: Services, capabilities: Capabilities, answers: dict[str, str]) -> Account:
    if capabilities.auth is not AuthKind.OAUTH2:
        return opened.loop.run(opened.accounts.connect_password(capabilities.platform, answers)).result()

    async def sign_in() -> Account:
        waiting = await opened.accounts.begin_browser(capabilities.platform, answers)
        say(f"Sign in at {waiting.url}")
        await asyncio.to_thread(webbrowser.open, waiting.url)
        return await opened.accounts.complete_browser(waiting)

    return opened.loop.run(sign_in()).result()


def _capabilities(platform: str) -> Capabilities:
    try:
        return registry.get(platform).capabilities
    except registry.UnknownPlatform as error:
        raise WrongUsage(str(error)) from error


def _answers(capabilities: Capabilities, given: list[str], secrets: list[str]) -> dict[str, str]:
    questions = {question.id: question for question in capabilities.questions}
    answers = {}
    for pair in given:
        name, equals, value = pair.partition("=")
        if not equals or name not in questions:
            raise WrongUsage(f"“{pair}” answers nothing; {capabilities.name} asks for: {', '.join(questions)}.")
        if questions[name].secret:
            raise WrongUsage(f"{questions[name].label} is a secret: leave it out, it is asked for.")
        answers[name] = value
    for question in capabilities.questions:
        if question.id not in answers:
            answers[question.id] = _ask(question)
            if question.secret:
                secrets.append(answers[question.id])
    return answers


def _ask(question: Question) -> str:
    if not question.secret and (question.default or not question.required):
        return question.default
    if sys.stdin.isatty():
        prompt = f"{question.label}: "
        return getpass.getpass(prompt) if question.secret else input(prompt)
    line = sys.stdin.readline().rstrip("\n")
    if not line and question.required:
        how = "on standard input" if question.secret else f"with --answer {question.id}=… or on standard input"
        raise KnownError(f"{question.label} is missing: give it {how}; nothing was stored.")
    return line


def _line(account: Account) -> str:
    return f"{short(account.id)}  {account.platform:<10} {account.label}  {account.attention or account.state}"


def _json(account: Account) -> dict[str, Any]:
    return {
        "id": account.id,
        "platform": account.platform,
        "handle": account.handle,
        "name": account.label,
        "server": account.server,
        "state": account.state.value,
        "attention": account.attention,
    }
