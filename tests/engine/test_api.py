"""Every field that docs/engine.md claims, asked for by OpenAI's own client."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import openai
import pytest

from tests.engine.asking import MESSAGES, ON_AND_ON, chat, complete
from tests.engine.tiny import VOCABULARY

CLOCK: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "clock",
        "parameters": {
            "type": "object",
            "properties": {"zone": {"enum": ["UTC", "CET"]}},
            "required": ["zone"],
            "additionalProperties": False,
        },
    },
}
SCHEMA = {
    "type": "object",
    "properties": {"title": {"type": "string", "maxLength": 8}, "stars": {"enum": [1, 2, 3]}},
    "required": ["title", "stars"],
    "additionalProperties": False,
}


def streamed(api: openai.OpenAI, **fields: Any) -> tuple[dict[int, Any], list[Any]]:
    """A streamed chat put together again, choice by choice, and its chunks."""
    chunks = list(chat(api, stream=True, **fields))
    choices: dict[int, Any] = {}
    for chunk in chunks:
        for piece in chunk.choices:
            whole = choices.setdefault(piece.index, {"content": "", "calls": [], "logprobs": [], "reason": None})
            whole["content"] += piece.delta.content or ""
            whole["logprobs"] += piece.logprobs.content if piece.logprobs else []
            whole["reason"] = piece.finish_reason or whole["reason"]
            for call in piece.delta.tool_calls or []:
                if call.function.name:
                    assert call.id
                    assert call.type == "function"
                    whole["calls"].append([call.function.name, ""])
                whole["calls"][call.index][1] += call.function.arguments
    return choices, chunks


def test_models(api: openai.OpenAI):
    (model,) = api.models.list()
    assert api.models.retrieve(model.id).id == model.id == "tiny"
    with pytest.raises(openai.NotFoundError, match="serves tiny alone"):
        api.models.retrieve("gpt-4o")


def test_seed_repeats_and_n_counts_up_from_it(api: openai.OpenAI):
    several = chat(api, n=3, temperature=1)
    assert [choice.index for choice in several.choices] == [0, 1, 2]
    alone = [chat(api, seed=7 + i, temperature=1).choices[0].message.content for i in range(3)]
    assert [choice.message.content for choice in several.choices] == alone
    assert len(set(alone)) == 3
    usage = several.usage
    assert usage.prompt_tokens == chat(api).usage.prompt_tokens
    assert 3 < usage.completion_tokens <= 60
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens


def test_usage_tells_what_was_read_before(api: openai.OpenAI):
    def cached(parts: list[str], **fields: Any) -> tuple[int, int]:
        content = [{"type": "text", "text": part} for part in parts]
        usage = chat(api, messages=[{"role": "user", "content": content}], **fields).usage
        return usage.prompt_tokens, usage.prompt_tokens_details.cached_tokens

    voice, source = "A brand voice nobody else has. " * 3, "A source text. " * 20
    length, had = cached([voice, source, "First brief."])
    assert had == 0
    assert cached([voice, source, "First brief."], n=3) == (length, length)
    edited, had = cached([voice, source, "An edited brief."])
    assert edited == length + 4
    after_source = len("An edited brief.") + len("assistant") + 6  # and control tokens and line breaks around them
    assert edited - after_source <= had < edited - len("An edited brief.")
    assert len(voice) - 10 < cached([voice, "Another source.", "A brief."])[1] < len(voice) + 50


def test_stream_gives_the_same_choices(api: openai.OpenAI):
    fields: dict[str, Any] = {"n": 2, "temperature": 1, "logprobs": True, "top_logprobs": 2}
    whole = chat(api, **fields)
    choices, chunks = streamed(api, stream_options={"include_usage": True}, **fields)
    for choice in whole.choices:
        assert choices[choice.index]["content"] == choice.message.content
        assert choices[choice.index]["reason"] == choice.finish_reason
        assert choices[choice.index]["logprobs"] == choice.logprobs.content
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[0].choices[0].delta.role == "assistant"


def test_logprobs_of_a_chat(api: openai.OpenAI):
    choice = chat(api, logprobs=True, top_logprobs=20, temperature=0, max_tokens=5).choices[0]
    assert choice.message.content == b"".join(bytes(one.bytes) for one in choice.logprobs.content).decode(
        errors="replace"
    )
    for one in choice.logprobs.content:
        assert [other.logprob for other in one.top_logprobs] == sorted(
            (o.logprob for o in one.top_logprobs), reverse=True
        )
        assert (one.token, one.logprob) == (one.top_logprobs[0].token, one.top_logprobs[0].logprob)  # greedy
        assert len(one.top_logprobs) == 20
    assert chat(api, logprobs=True).choices[0].logprobs.content[0].top_logprobs == []
    assert chat(api).choices[0].logprobs is None


def test_sampling_fields_change_the_answer(api: openai.OpenAI):
    greedy = chat(api, temperature=0).choices[0].message.content
    fields: tuple[dict[str, Any], ...] = (
        {"frequency_penalty": 2},
        {"presence_penalty": 2},
        {"extra_body": {"repetition_penalty": 5}},
        {"extra_body": {"repeat_penalty": 5}},
        {"logit_bias": ON_AND_ON},
    )
    for changed in fields:
        assert chat(api, temperature=0, **changed).choices[0].message.content != greedy
    for narrow in ({"top_p": 0}, {"extra_body": {"top_k": 1}}, {"extra_body": {"min_p": 1}}):
        assert chat(api, temperature=2, **narrow).choices[0].message.content == greedy
    assert chat(api, logit_bias=ON_AND_ON, max_completion_tokens=3).choices[0].message.content == "CCC"


def test_stop_and_both_names_of_the_length(api: openai.OpenAI):
    cut = chat(api, logit_bias=ON_AND_ON, stop=["CCC"])
    assert (cut.choices[0].message.content, cut.choices[0].finish_reason) == ("", "stop")
    longer = chat(api, logit_bias=ON_AND_ON, max_tokens=2, max_completion_tokens=4)
    assert (longer.usage.completion_tokens, longer.choices[0].finish_reason) == (4, "length")


@pytest.mark.parametrize("strict", [True, False])
def test_answers_that_follow_a_schema(api: openai.OpenAI, strict: bool):
    wanted = {"type": "json_schema", "json_schema": {"name": "review", "strict": strict, "schema": SCHEMA}}
    choices, _ = streamed(api, response_format=wanted, n=2, max_tokens=400, temperature=2)
    for choice in choices.values():
        assert choice["reason"] == "stop"
        jsonschema.validate(json.loads(choice["content"]), SCHEMA)
    short = chat(api, response_format=wanted, max_tokens=3).choices[0]
    assert short.finish_reason == "length"
    assert chat(api, response_format={"type": "json_object"}, max_tokens=2).choices[0].message.content.startswith("{")
    assert chat(api, response_format={"type": "text"}).choices[0].message.content


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "clock"}}])
def test_tools_that_must_be_called(api: openai.OpenAI, choice: Any):
    fields: dict[str, Any] = {"tools": [CLOCK], "tool_choice": choice, "parallel_tool_calls": False, "max_tokens": 200}
    fields["logprobs"] = True
    whole = chat(api, **fields).choices[0]
    (call,) = whole.message.tool_calls
    assert (whole.finish_reason, whole.message.content, call.function.name) == ("tool_calls", None, "clock")
    jsonschema.validate(json.loads(call.function.arguments), CLOCK["function"]["parameters"])
    choices, _ = streamed(api, **fields)
    assert (choices[0]["calls"], choices[0]["reason"]) == ([["clock", call.function.arguments]], "tool_calls")
    assert choices[0]["content"] == ""
    assert choices[0]["logprobs"] == whole.logprobs.content


def test_a_conversation_with_calls_results_and_documents_goes_on(api: openai.OpenAI):
    call = chat(api, tools=[CLOCK], tool_choice="required", parallel_tool_calls=False, max_tokens=200)
    message = call.choices[0].message
    (called,) = message.tool_calls
    result = {"role": "tool", "tool_call_id": called.id, "content": "12:00"}
    history = [*MESSAGES, message.model_dump(exclude_none=True), result]
    answer = chat(api, messages=history, tools=[CLOCK], tool_choice="none")
    assert answer.choices[0].message.tool_calls is None
    assert answer.choices[0].finish_reason in ("stop", "length")
    more = chat(api, messages=history, extra_body={"documents": [{"title": "Clocks", "text": "x" * 50}]})
    assert more.usage.prompt_tokens > answer.usage.prompt_tokens + 50


def test_tools_that_may_be_called(api: openai.OpenAI):
    several = chat(api, tools=[CLOCK], tool_choice="auto", n=4, temperature=1, max_tokens=60)
    assert all("<tool_call>" not in (choice.message.content or "") for choice in several.choices)


def test_text_completions(api: openai.OpenAI):
    answer = complete(api, max_tokens=8, logprobs=2, temperature=0)
    (choice,) = answer.choices
    assert (answer.object, choice.finish_reason, answer.usage.prompt_tokens) == (
        "text_completion",
        "length",
        2,
    )  # hell o
    assert "".join(choice.logprobs.tokens) == choice.text or "bytes:" in "".join(choice.logprobs.tokens)
    assert choice.logprobs.text_offset[0] == 0
    assert [len(top) for top in choice.logprobs.top_logprobs] == [2] * 8
    pieces = list(complete(api, max_tokens=8, temperature=0, stream=True))
    assert "".join(piece.choices[0].text for piece in pieces) == choice.text
    assert pieces[-1].choices[0].finish_reason == "length"


def test_prompts_as_tokens_and_as_lists(api: openai.OpenAI):
    text = complete(api, prompt="hell", max_tokens=4, temperature=0).choices[0].text
    tokens = [VOCABULARY - 2]  # "hell"
    assert complete(api, prompt=tokens, max_tokens=4, temperature=0).choices[0].text == text
    several = complete(api, prompt=["hell", "o", "hell"], n=2, max_tokens=4, temperature=0)
    assert [choice.index for choice in several.choices] == list(range(6))
    assert [several.choices[i].text for i in (0, 1, 4, 5)] == [text] * 4
    assert several.usage.prompt_tokens == 3
    listed = complete(api, prompt=[tokens, tokens], max_tokens=4, temperature=0)
    assert [choice.text for choice in listed.choices] == [text] * 2
    # control tokens in a raw prompt are the client's to write
    assert complete(api, prompt="<|im_start|>", max_tokens=1).usage.prompt_tokens == 1
