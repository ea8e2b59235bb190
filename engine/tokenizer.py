"""Text to tokens and back, with the `tokenizers` library; rebuilt from a GGUF file's metadata.

Only byte-level BPE ("gpt2" in GGUF) is known. Pre-tokeniser patterns are those of llama.cpp (src/llama-vocab.cpp)
and the published tokenizer.json files. A control token (<|im_start|> …) is made only where the caller allows it.
"""

from __future__ import annotations

import codecs
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from tokenizers import Regex, Tokenizer, models, pre_tokenizers
from tokenizers.pre_tokenizers import PreTokenizer

from engine.errors import damaged, unsupported

_GPT2: Final = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_LLAMA3: Final = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# GGUF's tokenizer.ggml.pre -> the patterns that cut the text, one after the other
PRE_TOKENIZERS: Final[Mapping[str, tuple[str, ...]]] = {
    "gpt-2": (_GPT2,),
    "smollm": (r"\p{N}", _GPT2),
    "llama-bpe": (_LLAMA3,),
    "dbrx": (_LLAMA3,),
}

NORMAL, CONTROL, USER_DEFINED, UNUSED = 1, 3, 4, 5  # tokenizer.ggml.token_type
_END_OF_TURN_KEYS: Final = ("eos_token_id", "eot_token_id", "eom_token_id")
# Control tokens that end a turn although a file names only one of them as its end (as llama.cpp does).
END_OF_TURN_NAMES: Final = frozenset(("<|endoftext|>", "<|end_of_text|>", "<|im_end|>", "<|eot_id|>", "<|end|>"))


def _byte_alphabet() -> dict[str, int]:
    """GPT-2's printable stand-in for each byte: character -> byte."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(others)}


_BYTES: Final[Mapping[str, int]] = _byte_alphabet()


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The token lists of a checkpoint, checked. `merges` and `pre` are a GGUF file's; tokenizer.json keeps its own."""

    tokens: list[str]
    kinds: list[int]
    end_ids: frozenset[int]  # an answer ends at any of these
    bos: int | None
    add_bos: bool
    bos_text: str
    eos_text: str
    merges: list[tuple[str, str]] = field(default_factory=list)
    pre: str = ""


def vocabulary_from_gguf(metadata: Mapping[str, Any]) -> Vocabulary:
    """Read and check the tokenizer keys; raises ModelFileError."""

    def key(name: str) -> Any:
        return metadata.get(f"tokenizer.ggml.{name}")

    if key("model") != "gpt2":
        kind = str(key("model"))[:40]
        raise unsupported(f"its tokenizer is of kind {kind!r}, and only byte-level BPE (gpt2) is known")
    if key("pre") not in PRE_TOKENIZERS:
        rules, known = str(key("pre"))[:40], ", ".join(PRE_TOKENIZERS)
        raise unsupported(f"its tokenizer cuts text by the rules {rules!r}, and {known} are known")
    tokens, kinds, merges = key("tokens"), key("token_type"), key("merges")
    if not _strings(tokens) or len(set(tokens)) != len(tokens):
        raise damaged("its token list is missing or names a token twice")
    if not isinstance(kinds, list) or len(kinds) != len(tokens) or not all(type(kind) is int for kind in kinds):
        raise damaged("its token types do not match its tokens")
    if not _strings(merges):
        raise damaged("its merge list is missing")
    shared = {token: token for token in tokens}  # one object each, however many merges it is in
    pairs = [tuple(shared.get(part, "") for part in merge.split(" ")) for merge in merges]
    if not all(len(pair) == 2 and all(pair) and "".join(pair) in shared for pair in pairs):
        raise damaged("a merge joins tokens that it does not hold")
    check_byte_alphabet(tokens, kinds)

    def token_id(name: str) -> int | None:
        value = key(name)
        if value is not None and (type(value) is not int or not 0 <= value < len(tokens)):
            raise damaged(f"its {name} is not a token")
        return value

    ends = {value for name in _END_OF_TURN_KEYS if (value := token_id(name)) is not None}
    ends |= {i for i, kind in enumerate(kinds) if kind == CONTROL and tokens[i] in END_OF_TURN_NAMES}
    if not ends:
        raise damaged("it names no token that ends an answer")
    bos, eos = token_id("bos_token_id"), token_id("eos_token_id")
    return Vocabulary(
        tokens=tokens,
        kinds=kinds,
        merges=[(pair[0], pair[1]) for pair in pairs],
        pre=key("pre"),
        end_ids=frozenset(ends),
        bos=bos,
        add_bos=key("add_bos_token") is True and bos is not None,
        bos_text=tokens[bos] if bos is not None else "",
        eos_text=tokens[eos] if eos is not None else "",
    )


def check_byte_alphabet(tokens: Sequence[str], kinds: Sequence[int]) -> None:
    for token, kind in zip(tokens, kinds, strict=True):
        if kind == NORMAL and not all(character in _BYTES for character in token):
            raise damaged(f"the token {token[:40]!r} is not written in the byte alphabet")


def _strings(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(entry, str) for entry in value)


class TextTokenizer:
    """Encodes and decodes with one model's vocabulary. Safe to share between threads.

    `bpe` turns ordinary text into tokens; without it, it is built from the vocabulary's merges.
    """

    def __init__(self, vocabulary: Vocabulary, bpe: Tokenizer | None = None) -> None:
        self._bpe = bpe or _byte_level_bpe(vocabulary)
        self.vocabulary = vocabulary = replace(vocabulary, merges=[])  # megabytes that nobody asks for again
        kinds = list(zip(vocabulary.tokens, vocabulary.kinds, strict=True))
        self._ids = {token: i for i, (token, kind) in enumerate(kinds) if kind in (CONTROL, USER_DEFINED) and token}
        user_defined = {token for token, kind in kinds if kind == USER_DEFINED and token}
        self.control_texts = frozenset(self._ids.keys() - user_defined)
        self._split_user_defined = _splitter(user_defined)
        self._split_all = _splitter(self._ids)
        self._piece = [_piece(token, kind) for token, kind in kinds]
        self.unused_ids = [i for i, (_, kind) in enumerate(kinds) if kind == UNUSED]  # padding rows, never sampled

    def encode(self, text: str, *, control: bool) -> list[int]:
        """Token ids of `text`. With control=False the text of a control token is ordinary text."""
        return self.encode_marked(text, control=control)[0]

    def encode_marked(
        self, text: str, *, control: bool, mark: str = "", places: Sequence[int] = ()
    ) -> tuple[list[int], list[int]]:
        """As encode; the character `mark` is taken out of ordinary text after control tokens were found.

        Also tells how many tokens lie before each of `places`, ascending positions in `text`. A token that a place
        cuts does not.
        """
        ids: list[int] = []
        before: list[int] = []
        start = 0
        for piece in self._split_all(text) if control else self._split_user_defined(text):
            end = start + len(piece)
            inside = places[len(before) : bisect_left(places, end)]
            if piece in self._ids and (control or piece not in self.control_texts):
                before += [len(ids)] * len(inside)
                ids.append(self._ids[piece])
            else:
                encoding = self._bpe.encode(piece.replace(mark, ""))
                ends = [last for _, last in encoding.offsets] if inside else []
                cleaned, done = 0, start
                for place in inside:
                    cleaned += len(piece[done - start : place - start].replace(mark, ""))
                    done = place
                    before.append(len(ids) + (bisect_right(ends, cleaned) if cleaned else 0))
                ids.extend(encoding.ids)
            start = end
        return ids, before + [len(ids)] * (len(places) - len(before))

    def piece(self, token: int) -> bytes:
        """The bytes a token stands for; nothing for a control token."""
        return self._piece[token]

    def decode(self, ids: Sequence[int]) -> str:
        return b"".join(self._piece[token] for token in ids).decode(errors="replace")


class StreamDecoder:
    """Turns tokens into text as they come; a character split over tokens is held back until it is whole."""

    def __init__(self, tokenizer: TextTokenizer) -> None:
        self._tokenizer = tokenizer
        self._utf8 = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def push(self, token: int) -> str:
        return self._utf8.decode(self._tokenizer.piece(token))

    def finish(self) -> str:
        """What is left: a replacement character for an unfinished sequence."""
        return self._utf8.decode(b"", final=True)


def _byte_level_bpe(vocabulary: Vocabulary) -> Tokenizer:
    ids = {token: i for i, token in enumerate(vocabulary.tokens)}
    bpe = Tokenizer(models.BPE(vocab=ids, merges=vocabulary.merges, ignore_merges=vocabulary.pre == "llama-bpe"))
    cuts: list[PreTokenizer] = [
        pre_tokenizers.Split(Regex(pattern), behavior="isolated") for pattern in PRE_TOKENIZERS[vocabulary.pre]
    ]
    cuts.append(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False))
    if missing := [character for character in _BYTES if character not in ids]:
        # Some vocabularies lack bytes. Such a byte says nothing, but its neighbours do not become neighbours by that.
        pattern = "[" + "".join(re.escape(character) for character in missing) + "]"
        cuts.append(pre_tokenizers.Split(Regex(pattern), behavior="removed"))
    bpe.pre_tokenizer = pre_tokenizers.Sequence(cuts)
    return bpe


def _splitter(tokens: Sequence[str] | set[str] | Mapping[str, int]) -> Callable[[str], list[str]]:
    """Cut text at whole tokens, the longest first, and keep them."""
    if not tokens:
        return lambda text: [text]
    pattern = re.compile("(" + "|".join(re.escape(token) for token in sorted(tokens, key=len, reverse=True)) + ")")
    return lambda text: [piece for piece in pattern.split(text) if piece]


def _piece(token: str, kind: int) -> bytes:
    if kind == NORMAL:
        return bytes(_BYTES[character] for character in token)
    return token.encode() if kind == USER_DEFINED else b""
