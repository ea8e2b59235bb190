from __future__ import annotations

from pathlib import Path

import pytest

from app.cli.options import ask_passphrase
from app.core.errors import KnownError
from tests.app.cli.conftest import Quarry
from tests.servers.bluesky.pds import Pds


@pytest.fixture
def vault(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somewhere for secrets, since tests have no keychain."""
    monkeypatch.setenv("QUARRY_VAULT_PASSPHRASE", "correct horse battery staple")


def test_a_folder_is_connected_listed_tested_and_removed(quarry: Quarry, site: Path) -> None:
    said = quarry("account", "add", "local", "--answer", f"folder={site}", "--answer", "title=Bread notes")
    assert said.code == 0
    assert said.out.startswith("Connected Bread notes on ")
    [row] = quarry.json("account", "list")
    assert (row["platform"], row["name"], row["state"]) == ("local", "Bread notes", "connected")
    assert quarry.json("account", "list", "--platform", "x") == []
    ending = row["id"][-8:]
    assert quarry("account", "test", ending).out == "Bread notes works.\n"
    assert "its posts are kept" in quarry("account", "remove", ending).out
    assert quarry.json("account", "list") == []
    assert "No accounts yet" in quarry("account", "list").out


def test_the_oldest_comes_first_and_a_limit_holds(quarry: Quarry, tmp_path: Path) -> None:
    first, second = (quarry.local_account(tmp_path / name) for name in ("one", "two"))
    assert [row["id"] for row in quarry.json("account", "list")] == [first, second]
    assert [row["id"] for row in quarry.json("account", "list", "--limit", "1")] == [first]


def test_an_answer_that_answers_nothing_names_the_questions(quarry: Quarry) -> None:
    said = quarry("account", "add", "local", "--answer", "colour=red")
    assert said.code == 2
    assert "“colour=red” answers nothing" in said.err
    assert "folder" in said.err


def test_a_secret_is_never_an_argument(quarry: Quarry) -> None:
    said = quarry("account", "add", "bluesky", "--answer", "password=abcd-efgh-ijkl")
    assert said.code == 2
    assert "is a secret: leave it out" in said.err
    assert "abcd" not in said.err


def test_what_is_missing_is_asked_for_by_name(quarry: Quarry) -> None:
    said = quarry("account", "add", "bluesky", "--answer", "identifier=me.test", stdin="")
    assert said.code == 3
    assert "is missing: give it on standard input" in said.err


def test_a_server_that_is_down_is_four_and_stores_nothing(quarry: Quarry, vault: None) -> None:
    words = ("account", "add", "bluesky", "--answer", "server=http://127.0.0.1:9", "--answer", "identifier=me.test")
    said = quarry(*words, stdin="abcd-efgh-ijkl\n")
    assert said.code == 4
    assert "could not be reached: nothing was stored" in said.err
    assert "abcd" not in said.err + said.out
    assert quarry.json("account", "list") == []


@pytest.mark.parametrize(
    ("typed", "new", "answer"), [(["abc"], False, "abc"), ([""], False, None), (["abc", "abc"], True, "abc")]
)
def test_a_passphrase_is_asked_at_a_terminal_a_new_one_twice(
    monkeypatch: pytest.MonkeyPatch, typed: list[str], new: bool, answer: str | None
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("getpass.getpass", lambda _prompt: typed.pop(0))
    assert ask_passphrase(new=new) == answer
    assert typed == []


def test_two_passphrases_that_differ_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    typed = ["abc", "abd"]
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("getpass.getpass", lambda _prompt: typed.pop(0))
    with pytest.raises(KnownError, match="differ: nothing was stored"):
        ask_passphrase(new=True)
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    assert ask_passphrase(new=True) is None


@pytest.mark.server
def test_bluesky_takes_its_app_password_from_standard_input(quarry: Quarry, vault: None, pds: Pds) -> None:
    who = pds.create_account()
    words = ("account", "add", "bluesky", "--answer", f"server={pds.url}", "--answer", f"identifier={who.handle}")
    refused = quarry(*words, stdin="wrong-word-here\n")
    assert refused.code == 3
    assert quarry.json("account", "list") == []
    made = quarry.json(*words, stdin=pds.create_app_password(who) + "\n")
    assert made["handle"] == who.handle
    post = quarry.json("post", "add", "Hello from a terminal", "--channel", "bluesky", "--account", made["id"])
    published = quarry.json("post", "publish", post["id"])
    assert published["state"] == "published"
    assert [record["value"]["text"] for record in pds.records(who.did)] == ["Hello from a terminal"]
