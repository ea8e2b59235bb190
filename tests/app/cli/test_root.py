"""What every command shares: exit codes, where words go, reports of what nobody expected."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from app.cli.root import main
from app.models.service import Models
from tests.app.cli.conftest import Quarry


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["post", "lst"], 2, "No such command"),
        (["post", "list", "--limit", "0"], 2, "greater than or equal to 1"),
        (["post", "show", "ffffffff"], 3, "There is no post “ffffffff”."),
        (["draft"], 2, "either --topic or --brief FILE"),
        (["calendar", "--from", "tomorrow"], 2, "“tomorrow” is no day: write it like 2026-12-24."),
        (["account", "add", "myspace"], 2, "myspace"),
        (["models", "verify", "gpt"], 3, "There is no model “gpt” on this machine"),
    ],
)
def test_errors_are_one_sentence_on_stderr_and_a_code(
    quarry: Quarry, words: list[str], code: int, sentence: str
) -> None:
    said = quarry(*words)
    assert said.code == code
    assert sentence in re.sub(r"[\s│]+", " ", said.err)
    assert "Traceback" not in said.err
    assert said.out == ""


def test_help_needs_no_data_folder(quarry: Quarry) -> None:
    said = quarry("post", "schedule", "--help")
    assert said.code == 0
    assert "quarry post schedule" in said.out
    assert not quarry.data.exists()


def test_the_data_folder_may_stand_before_or_after_the_command(
    quarry: Quarry, account: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert [row["id"] for row in quarry.json("account", "list")] == [account]
    assert main(["account", "list", "--json", "--data-dir", str(quarry.data)]) == 0
    assert account in capsys.readouterr().out
    elsewhere = tmp_path / "elsewhere"
    assert quarry.json("account", "list", "--data-dir", elsewhere) == []
    assert elsewhere.is_dir()


def test_a_bug_leaves_a_report_that_is_named_and_holds_no_secret(
    quarry: Quarry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUARRY_VAULT_PASSPHRASE", "correct horse battery")

    async def broken(_self: object, _platform: str, answers: dict[str, str]) -> None:
        raise RuntimeError(f"{answers['password']} with correct horse battery")

    monkeypatch.setattr("app.accounts.service.Accounts.connect_password", broken)
    said = quarry("account", "add", "bluesky", "--answer", "identifier=me.test", stdin="abcd-efgh-ijkl\n")
    assert said.code == 70
    [report] = (quarry.data / "logs").glob("report-*.txt")
    assert said.err.strip() == f"Quarry has a bug (RuntimeError); nothing saved was lost; the report is {report}."
    text = report.read_text()
    assert "in broken" in text
    for secret in ("abcd-efgh-ijkl", "correct horse battery"):
        assert secret not in text + said.out + said.err


def test_a_report_that_cannot_be_written_stands_on_stderr(quarry: Quarry, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_self: Models) -> None:
        (quarry.data / "logs").rmdir()
        (quarry.data / "logs").write_text("in the way")
        raise RuntimeError("unheard of")

    monkeypatch.setattr(Models, "listed", broken)
    said = quarry("models", "list")
    assert said.code == 70
    assert "RuntimeError: unheard of" in said.err
    assert "stands above" in said.err


@pytest.mark.parametrize("stop", [KeyboardInterrupt, EOFError])
def test_ctrl_c_and_ctrl_d_are_no_bugs(
    quarry: Quarry, monkeypatch: pytest.MonkeyPatch, stop: type[BaseException]
) -> None:
    def stopped(_self: Models) -> None:
        raise stop

    monkeypatch.setattr(Models, "listed", stopped)
    said = quarry("models", "list")
    assert said.code == 130
    assert said.err.strip() == "Stopped; what was saved is kept."
    assert not list((quarry.data / "logs").glob("report-*"))


def test_a_folder_of_a_newer_quarry_is_refused_untouched(quarry: Quarry, account: str) -> None:
    with closing(sqlite3.connect(quarry.data / "quarry.db")) as database:
        database.execute("PRAGMA user_version=999")
    said = quarry("account", "list")
    assert said.code == 3
    assert "last used by a newer Quarry (schema 999" in said.err
    assert "nothing was changed" in said.err


def test_a_data_folder_that_cannot_be_is_said(quarry: Quarry) -> None:
    quarry.data.write_text("a file")
    said = quarry("post", "list")
    assert said.code == 3
    assert "choose another with --data-dir" in said.err
    assert quarry.data.read_text() == "a file"


def test_settings_that_cannot_be_read_are_named(quarry: Quarry, account: str) -> None:
    (quarry.data / "settings.toml").write_text('engine_threads = "many"\n')
    said = quarry("post", "list")
    assert said.code == 3
    assert "The setting engine_threads cannot be used" in said.err


def test_no_text_of_others_reaches_the_terminal_s_controls(quarry: Quarry, account: str) -> None:
    quarry.local_post(account, "Look \x1b[31mred\x07 and \x9b2J gone 👩‍🍳")
    said = quarry("post", "list")
    assert "👩‍🍳" in said.out
    assert not set(said.out) & set("\x1b\x07\x9b")
