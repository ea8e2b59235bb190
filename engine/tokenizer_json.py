"""A tokenizer from a checkpoint folder: tokenizer.json read by the `tokenizers` library, its roles by us.

The library's own handling of added tokens is left out: engine.tokenizer decides which text may become a control token.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from tokenizers import Tokenizer, models

from engine.errors import ModelFileError, damaged, unsupported
from engine.tokenizer import (
    CONTROL,
    END_OF_TURN_NAMES,
    NORMAL,
    UNUSED,
    USER_DEFINED,
    TextTokenizer,
    Vocabulary,
    check_byte_alphabet,
)

Settings = Mapping[str, Any]


def tokenizer_from_json(source: bytes, vocabulary: int, settings: Settings, end_ids: Iterable[object]) -> TextTokenizer:
    """Read tokenizer.json for a model of `vocabulary` rows; `settings` is tokenizer_config.json.

    `end_ids` are what the folder's configs say of eos_token_id. Raises ModelFileError.
    """
    whole = _parse(source)
    added = whole.get_added_tokens_decoder()
    count = max([*whole.get_vocab().values(), *added], default=-1) + 1
    if count > vocabulary:
        raise damaged(f"its tokenizer knows {count} tokens and the model has rows for {vocabulary}")
    tokens: list[str] = []
    kinds: list[int] = []
    for i in range(vocabulary):
        token = whole.id_to_token(i) if i < count else None
        if token is None:
            kind = UNUSED
        elif i in added:
            kind = CONTROL if added[i].special else USER_DEFINED
        else:
            kind = NORMAL
        tokens.append(token or "")
        kinds.append(kind)
    check_byte_alphabet(tokens, kinds)
    bos, eos = (_token_text(settings.get(f"{role}_token")) for role in ("bos", "eos"))
    ids = {token: i for i, token in enumerate(tokens) if token}
    ends = {i for i, kind in enumerate(kinds) if kind == CONTROL and tokens[i] in END_OF_TURN_NAMES}
    ends |= _ids(end_ids, count) | ({ids[eos]} if eos in ids else set())
    if not ends:
        raise damaged("it names no token that ends an answer")
    return TextTokenizer(
        Vocabulary(
            tokens=tokens,
            kinds=kinds,
            end_ids=frozenset(ends),
            bos=ids.get(bos),
            add_bos=settings.get("add_bos_token") is True and bos in ids,
            bos_text=bos,
            eos_text=eos,
        ),
        _without_added_tokens(whole),
    )


def _parse(source: bytes) -> Tokenizer:
    try:
        whole = Tokenizer.from_buffer(source)
    except Exception as error:  # a plug-in's border: the library raises Exception itself
        raise ModelFileError(f"The tokenizer.json of the model cannot be read ({str(error)[:200]}).") from error
    if not isinstance(whole.model, models.BPE) or not _byte_level(whole):
        raise unsupported("its tokenizer is not byte-level BPE, the only kind that is known")
    return whole


def _byte_level(whole: Tokenizer) -> bool:
    if whole.pre_tokenizer is None:
        return False
    state = json.loads(whole.pre_tokenizer.__getstate__())
    return any(step["type"] == "ByteLevel" for step in state.get("pretokenizers", [state]))


def _without_added_tokens(whole: Tokenizer) -> Tokenizer:
    bpe = Tokenizer(whole.model)
    bpe.pre_tokenizer = whole.pre_tokenizer
    if whole.normalizer is not None:
        bpe.normalizer = whole.normalizer
    return bpe


def _token_text(value: object) -> str:
    """A token is named by its text, or by an object that holds it."""
    value = value.get("content") if isinstance(value, dict) else value
    return value if isinstance(value, str) else ""


def _ids(values: Iterable[object], count: int) -> set[int]:
    found: set[int] = set()
    for value in values:
        for entry in value if isinstance(value, list) else [value]:
            if entry is None:
                continue
            if type(entry) is not int or not 0 <= entry < count:
                raise damaged("its eos_token_id is not a token")
            found.add(entry)
    return found
