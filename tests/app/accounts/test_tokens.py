from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.accounts.tokens import secret_values, tokens_from_json, tokens_to_json
from publishers.api import TokenSet

token_sets = st.builds(
    TokenSet,
    access_token=st.text(),
    refresh_token=st.text(),
    expires_at=st.none() | st.datetimes(timezones=st.just(UTC)),
    scope=st.text(),
    extra=st.dictionaries(st.text(), st.text()),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["expires_at", "extra", "scope"]), inner),
)


@settings(max_examples=50)
@given(tokens=token_sets)
def test_a_token_set_comes_back_whole(tokens: TokenSet) -> None:
    again = tokens_from_json(tokens_to_json(tokens))
    assert again == tokens
    assert {tokens.access_token, tokens.refresh_token, *tokens.extra.values()} == set(secret_values(tokens))


@settings(max_examples=50)
@given(
    value=json_values
    | st.fixed_dictionaries(
        dict.fromkeys(["access_token", "refresh_token", "scope"], st.text()),
        optional={"expires_at": json_values, "extra": json_values},
    )
)
def test_anything_else_is_refused_in_a_known_way(value: object) -> None:
    with suppress(ValueError, KeyError, TypeError, AttributeError):
        tokens_from_json(json.dumps(value))


@pytest.mark.parametrize("text", ["", "{}", "[]", "1", "null", '{"access_token": "a"'])
def test_a_damaged_text_is_refused(text: str) -> None:
    with pytest.raises((ValueError, KeyError, TypeError, AttributeError)):
        tokens_from_json(text)
