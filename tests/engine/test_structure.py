"""Answers that follow a schema: whatever the model would rather say, whatever the schema asks for."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.decoding import Decoding
from engine.generation import Event, Generation
from engine.loader import LoadedModel
from engine.protocol import Delta, Finished, FinishReason, Message, Sampling
from engine.sampling import Sampler
from engine.structure import MAX_SCHEMA_DEPTH, Structure, StructureError, Structures, json_rule
from engine.tokenizer import TextTokenizer


def compiled(structures: Structures, schema: dict[str, Any]) -> Structure:
    return structures.compile(f"start: {json_rule(schema)}")


def babble(tokenizer: TextTokenizer, structure: Structure, seed: int, max_tokens: int) -> tuple[str, FinishReason]:
    """The answer of a model that has no opinion."""
    shown: list[Delta] = []
    sampler = Sampler(Sampling(temperature=1, top_k=0, top_p=1), seed, [])
    decoding = Decoding(tokenizer, sampler, max_tokens, shown.append, structure=structure)
    reason = None
    while reason is None:
        reason = decoding.take(np.zeros(len(tokenizer.vocabulary.tokens) + 5, dtype=np.float32))  # rows of padding
    return "".join(delta.text for delta in shown), reason


PATTERNS = ("^[a-f]{2,4}$", "^#?[0-9]+(px|em)?$", "^a.c$")
LEAVES: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.sampled_from(["boolean", "null", "number", "integer"]).map(lambda kind: {"type": kind}),
    st.tuples(st.integers(-99, 99), st.integers(0, 999)).map(
        lambda bounds: {"type": "integer", "minimum": bounds[0], "maximum": sum(bounds)}
    ),
    st.tuples(st.integers(0, 3), st.integers(0, 5)).map(
        lambda bounds: {"type": "string", "minLength": bounds[0], "maxLength": sum(bounds)}
    ),
    st.lists(st.text(max_size=5) | st.integers() | st.none(), min_size=1).map(lambda values: {"enum": values}),
    st.sampled_from(PATTERNS).map(lambda pattern: {"type": "string", "pattern": pattern}),
    st.sampled_from(["date", "date-time", "uuid", "ipv4"]).map(lambda name: {"type": "string", "format": name}),
)


@st.composite
def objects(draw: st.DrawFn, children: st.SearchStrategy[dict[str, Any]]) -> dict[str, Any]:
    names = draw(st.lists(st.text(min_size=1, max_size=6), unique=True, max_size=4))
    properties = {name: draw(children) for name in names}
    required = [name for name in names if draw(st.booleans())]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


SCHEMAS = st.recursive(
    LEAVES,
    lambda children: st.one_of(
        objects(children),
        st.builds(lambda items, most: {"type": "array", "items": items, "maxItems": most}, children, st.integers(0, 3)),
        st.lists(children, min_size=1, max_size=3).map(lambda choices: {"anyOf": choices}),
    ),
    max_leaves=6,
)


@given(schema=SCHEMAS, seed=st.integers(0, 2**32), max_tokens=st.sampled_from([1, 20, 1000]))
def test_every_answer_parses_and_validates_or_is_said_to_be_cut(
    tokenizer: TextTokenizer, structures: Structures, schema: dict[str, Any], seed: int, max_tokens: int
):
    text, reason = babble(tokenizer, compiled(structures, schema), seed, max_tokens)
    if reason is FinishReason.STOP:
        jsonschema.validate(json.loads(text), schema)
    else:
        assert reason is FinishReason.LENGTH


def test_an_end_is_allowed_only_where_the_schema_is_satisfied(tokenizer: TextTokenizer, structures: Structures):
    structure = compiled(structures, {"type": "integer", "minimum": 10, "maximum": 9999})
    ends, size = list(tokenizer.vocabulary.end_ids), len(tokenizer.vocabulary.tokens)
    one, two = tokenizer.encode("12", control=False)
    assert not structure.allowed(size)[ends].any()
    assert not structure.accept(one)
    assert not structure.allowed(size)[ends].any()
    other = structure.fork()
    assert not structure.accept(two)
    assert structure.allowed(size)[ends].any()
    assert not other.allowed(size)[ends].any()


def test_references_and_keywords_of_pydantic_are_followed(tokenizer: TextTokenizer, structures: Structures):
    pair = {"type": "object", "properties": {"x": {"$ref": "#/$defs/x"}}, "required": ["x"]}
    definitions = {"x": {"title": "X", "const": "}\n{"}, "pair": {**pair, "additionalProperties": False}}
    schema = {"$defs": definitions, "type": "array", "minItems": 2, "maxItems": 2, "items": {"$ref": "#/$defs/pair"}}
    text, reason = babble(tokenizer, compiled(structures, schema), 0, 1000)
    assert (json.loads(text), reason) == ([{"x": "}\n{"}, {"x": "}\n{"}], FinishReason.STOP)


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(levels):
        schema = {"items": schema}
    return schema


def choices(count: int) -> dict[str, Any]:
    """2^count ways to be an object, in a few lines."""
    either = [[{"properties": {f"{name}{i}": {"type": "string"}}} for name in "ab"] for i in range(count)]
    return {"allOf": [{"anyOf": pair} for pair in either]}


LOOKING = "look-around, including look-ahead and look-behind, is not supported"
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "type": ({"type": "strin"}, "(Invalid type: strin)."),
    "keyword": ({"not": {}}, '(Unimplemented keys: ["not"]).'),
    "lenient": ({"not": {}, "x-guidance": {"lenient": True}}, '(Unimplemented keys: ["not"]).'),
    "no answer": ({"enum": []}, "(Unsatisfiable schema: anyOf is empty)."),
    "endless": ({"$ref": "#"}, "(no answer of finite length fits it)."),
    "look-ahead": ({"type": "string", "pattern": "(?=a)b"}, f"({LOOKING})."),
    "remote": ({"$ref": "http://127.0.0.1:1/x"}, "does not fetch resources)."),
    "product": (choices(40), "(schema too large)."),
    "deep": (nested(MAX_SCHEMA_DEPTH + 1), "is nested more than 64 levels deep."),
    "very deep": (nested(100_000), "is nested more than 64 levels deep."),
    "long": ({"enum": ["x" * (1 << 17)]}, "is longer than 128 Ki characters."),
    "surrogate": ({"const": "\ud800"}, "holds half a surrogate pair, which is not text."),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_followed_is_refused_in_a_sentence_and_in_time(structures: Structures, name: str):
    schema, message = REFUSED[name]
    begun = time.process_time()
    with pytest.raises(StructureError) as refused:
        compiled(structures, schema)
    assert str(refused.value).startswith("The schema ")
    assert str(refused.value).endswith(message)
    assert "\n" not in str(refused.value)
    assert time.process_time() - begun < 2


@pytest.mark.parametrize(
    "pattern", ["^((a|b)*c(a|b){60})$", "(a{1,1000}){1,1000}", "(x+x+)+y", "^(.*a){200}$", "(?:a?){1000}a{1000}"]
)
def test_an_exploding_expression_is_followed_in_bounded_time(
    tokenizer: TextTokenizer, structures: Structures, pattern: str
):
    begun = time.process_time()
    with suppress(StructureError):  # too complex is a good end too
        babble(tokenizer, compiled(structures, {"type": "string", "pattern": pattern}), 0, 200)
    assert time.process_time() - begun < 5


def test_references_that_double_at_each_level_stay_small(tokenizer: TextTokenizer, structures: Structures):
    definitions: dict[str, Any] = {"d0": {"type": "boolean"}}
    for level in range(1, 60):
        below = {"$ref": f"#/$defs/d{level - 1}"}
        definitions[f"d{level}"] = {"type": "object", "properties": {"l": below, "r": below}, "required": ["l", "r"]}
    _, reason = babble(tokenizer, compiled(structures, {"$ref": "#/$defs/d59", "$defs": definitions}), 0, 100)
    assert reason is FinishReason.LENGTH


def test_a_large_vocabulary_is_masked_in_time(starter: LoadedModel):
    structure = compiled(Structures(starter.tokenizer), {"type": "object"})
    size, rng, seconds = len(starter.tokenizer.vocabulary.tokens), np.random.default_rng(0), []
    for _ in range(50):
        begun = time.perf_counter()
        allowed = structure.allowed(size)
        seconds.append(time.perf_counter() - begun)
        if structure.accept(int(rng.choice(np.flatnonzero(allowed)))):
            break
    assert sorted(seconds)[len(seconds) // 2] < 0.01  # 0.0002 where this was written


def test_the_starter_model_fills_in_a_schema(starter: LoadedModel):
    schema = {
        "type": "object",
        "properties": {"title": {"type": "string", "maxLength": 30}, "tags": {"type": "array", "maxItems": 2}},
        "required": ["title", "tags"],
        "additionalProperties": False,
    }
    prompt = starter.template.encode([Message("user", ("A title and tags for a post about bread, as JSON.",))])
    events: list[Event] = []
    structure = compiled(Structures(starter.tokenizer), schema)
    writing = Generation(starter, prompt, 100, Sampling(temperature=0), 0, events.append, structure=structure)
    done = False
    while not done:
        reading = writing.want()
        assert reading is not None
        done = writing.take(starter.decoder.step([reading])[0])
    assert isinstance(events[-1], Finished)
    assert events[-1].reason is FinishReason.STOP
    answer = json.loads("".join(event.text for event in events if isinstance(event, Delta)))
    jsonschema.validate(answer, schema)
    assert answer["title"]
