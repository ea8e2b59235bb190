"""The page for other programs and the code name the same fields."""

from __future__ import annotations

import json
import re

import pytest

from engine import request
from engine.fields import RequestError
from engine.request import parse_chat_completion, parse_text_completion
from tests.requirements import ROOT

TEXTS = ("model", "stop")  # fields that take any text
PAGE = (ROOT / "docs" / "engine.md").read_text(encoding="utf-8")
UNSUPPORTED = request._UNSUPPORTED_IN_CHAT.keys() | request._UNSUPPORTED_IN_TEXT.keys()


def names(heading: str, text: str) -> set[str]:
    """What stands in backticks in the first column of the table under a heading."""
    section = re.split(r"^#", text.split(f"# {heading}\n")[1], flags=re.MULTILINE)[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return {name.split(".")[0] for row in rows for name in re.findall(r"`(\w[\w.]*)`", row)}


def test_what_is_refused_by_name_is_documented():
    section = PAGE.split("### Refused by name\n")[1].split("\n## ")[0]
    assert set(re.findall(r"`(\w+)`", section)) - {"user", "metadata"} == UNSUPPORTED - {"response_format"}


@pytest.mark.parametrize("field", sorted(names("Both completions", PAGE) | names("Chat completions", PAGE)))
def test_every_documented_field_of_a_chat_is_read(field: str):
    """A value that no field takes is refused by that field's name."""
    body = {"messages": [{"role": "user", "content": "x"}], "logprobs": True, field: 1 if field in TEXTS else "?"}
    with pytest.raises(RequestError) as refused:
        parse_chat_completion(json.dumps(body).encode())
    assert refused.value.field == field


@pytest.mark.parametrize("field", sorted(names("Both completions", PAGE) | names("Text completions", PAGE)))
def test_every_documented_field_of_a_text_is_read(field: str):
    body = {"prompt": "x", field: 0.5 if field in (*TEXTS, "stream_options") else {"?": "?"}}
    with pytest.raises(RequestError) as refused:
        parse_text_completion(json.dumps(body).encode())
    assert refused.value.field == field
