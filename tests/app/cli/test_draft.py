"""What `quarry draft` refuses, and how it shows a text growing. Drafting itself: tests/e2e/test_draft.py."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from app.cli.writing import Writing
from app.core.words import Fitted, Provenance
from app.drafting.events import VariantDrafted, VariantStarted, VariantText
from tests.app import samples
from tests.app.cli.conftest import Quarry

TOPIC = ("--topic", "Rye bread")
LOCAL = ("--channel", "local")


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        ([*LOCAL], 2, "either --topic or --brief FILE"),
        ([*TOPIC], 2, "Say where it goes: --channel local"),
        ([*TOPIC, "--channel", "myspace"], 2, "There is no platform 'myspace'"),
        ([*TOPIC, "--channel", "x/opera"], 2, "opera"),
        ([*TOPIC, *LOCAL, "--voice", "Ours"], 3, "There is no voice “Ours”"),
        ([*TOPIC, *LOCAL, "--model", "gpt"], 3, "There is no model “gpt” on this machine"),
        ([*TOPIC, *LOCAL, "--variants", "21"], 2, "less than or equal to 20"),
        (["--topic", "  ", *LOCAL], 3, "The topic is empty: nothing was drafted"),
        ([*TOPIC, *LOCAL, "--endpoint", "http://127.0.0.1:9"], 4, "No text was lost"),
    ],
)
def test_refusals(quarry: Quarry, words: list[str], code: int, sentence: str) -> None:
    said = quarry("draft", *words, "--json")
    assert said.code == code
    assert sentence in " ".join(said.err.split())
    assert said.out == ""


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(None, "cannot be read"), (b"\xff\xfe\x00", "cannot be read as text"), (b"x" * 1_000_001, "longer than 1000 kB")],
)
def test_a_brief_that_cannot_be_used(quarry: Quarry, tmp_path: Path, content: bytes | None, sentence: str) -> None:
    brief = tmp_path / "brief.txt"
    if content is not None:
        brief.write_bytes(content)
    said = quarry("draft", "--brief", brief, *LOCAL)
    assert said.code == 3
    assert sentence in said.err
    assert "nothing was drafted" in said.err


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_at_a_terminal_one_text_grows_at_a_time() -> None:
    done = samples.draft(
        "Rye keeps.", generation_id="g", variant=0, fitted=Fitted.SHORTENED, provenance=Provenance("m")
    )
    screen = Terminal()
    watch = Writing(screen)
    for event in (
        VariantStarted("g", 0, "m"),
        VariantText("g", 0, "Rye"),
        VariantText("g", 1, "Wheat"),
        VariantText("g", 0, "Rye bread\x1b[2J"),
        VariantText("g", 0, "Rye keeps."),
        VariantDrafted("g", done),
        VariantText("g", 1, "Wheat rises."),
    ):
        watch(event)
    assert screen.getvalue() == "\n[variant 1] Rye bread[2J\nRye keeps.\n\n[variant 2] Wheat rises."


def test_elsewhere_only_lines_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    watch = Writing(io.StringIO())
    watch(VariantStarted("g", 0, "m"))
    watch(VariantText("g", 0, "Rye"))
    assert capsys.readouterr().err == "m writes variant 1…\n"
