"""From a checked request to what one model reads: its prompts as tokens, refused where they do not fit it."""

from __future__ import annotations

from collections.abc import Sequence

from engine.fields import RequestError
from engine.loader import LoadedModel
from engine.reading import Prompt
from engine.request import AnswerOptions, ChatCompletion, TextCompletion
from engine.sandbox import TemplateError


def check_options(model: LoadedModel, options: AnswerOptions) -> None:
    """Raises RequestError for another model (404) and for tokens this one does not have (400)."""
    info = model.info
    if options.model not in ("", info.id):
        raise RequestError(
            404, f"This engine serves {info.id}, not {options.model[:200]}.", field="model", code="model_not_found"
        )
    _check_tokens(model, [token for token, _ in options.sampling.logit_bias], "logit_bias")


def chat_prompt(model: LoadedModel, completion: ChatCompletion) -> Prompt:
    """The conversation as the model's template writes it. Raises RequestError (400)."""
    template = model.template
    if completion.tool_use is not None and not template.takes_tools:
        message = "This model's chat template has no place for tools in a form this engine reads; choose another model."
        raise RequestError(400, message, field="tools", code="unsupported_value")
    if completion.documents and not template.takes_documents:
        message = "This model's chat template has no place for documents; put their text into a message."
        raise RequestError(400, message, field="documents", code="unsupported_value")
    tools = [tool.definition for tool in completion.tool_use.tools] if completion.tool_use is not None else []
    try:
        prompt = template.encode(completion.messages, tools=tools, documents=completion.documents)
    except TemplateError as error:
        raise RequestError(400, str(error), field="messages") from error
    return _fitting(model, prompt, "messages")


def text_prompts(model: LoadedModel, completion: TextCompletion) -> list[Prompt]:
    """Each prompt as it stands, control tokens included: it is all the client's. Raises RequestError (400)."""
    vocabulary = model.tokenizer.vocabulary
    prompts = []
    for prompt in completion.prompts:
        if isinstance(prompt, str):
            tokens = model.tokenizer.encode(prompt, control=True)
            if vocabulary.add_bos and vocabulary.bos is not None and tokens[:1] != [vocabulary.bos]:
                tokens.insert(0, vocabulary.bos)
        else:
            tokens = list(prompt)
            _check_tokens(model, tokens, "prompt")
        prompts.append(_fitting(model, Prompt(tokens), "prompt"))
    return prompts


def _check_tokens(model: LoadedModel, tokens: Sequence[int], field: str) -> None:
    count = len(model.tokenizer.vocabulary.tokens)
    if not all(0 <= token < count for token in tokens):
        raise RequestError(400, f"{field} names a token that is not from 0 to {count - 1}.", field=field)


def _fitting(model: LoadedModel, prompt: Prompt, field: str) -> Prompt:
    context, length = model.info.context, len(prompt.tokens)
    if not length:
        raise RequestError(400, f"{field} is empty: there is nothing to go on with.", field=field)
    if length >= context:
        message = (
            f"The prompt takes {length} tokens and the context holds {context}, answer included; "
            "shorten the text or start the engine with a larger context."
        )
        raise RequestError(400, message, field=field, code="context_length_exceeded")
    return prompt
