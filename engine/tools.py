"""Functions that the model may call: as a request names them, and the grammar that makes every call a whole one.

A call is written as Granite 4.0, Qwen 2.5 and others write it, one a block, several with a newline between:

    <tool_call>
    {"name": "NAME", "arguments": {…}}
    </tool_call>
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from engine.fields import RequestError, typed
from engine.structure import StructureError, json_rule

OPENING: Final = "<tool_call>"
BEFORE_NAME: Final = '\n{"name": "'
AFTER_NAME: Final = '", "arguments": '
CLOSING: Final = "}\n</tool_call>"  # a newline cannot stand in the JSON before it, as that is spelled here

MAX_TOOLS: Final = 128
_NAME: Final = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
_NO_PARAMETERS: Final = {"type": "object", "properties": {}, "additionalProperties": False}


@dataclass(frozen=True, slots=True)
class Tool:
    """A function: what the template shows of it, and the grammar expression of its arguments."""

    name: str
    definition: Mapping[str, Any]
    arguments_rule: str


@dataclass(frozen=True, slots=True)
class ToolUse:
    """Which tools the model may call. required: it must call one and say nothing else."""

    tools: tuple[Tool, ...]  # all that the model is told of
    callable_names: frozenset[str]
    required: bool
    several: bool  # more than one call in an answer


def parse_tool_use(fields: Mapping[str, Any]) -> ToolUse | None:
    """tools, tool_choice and parallel_tool_calls of a request; None where nothing may be called.

    Raises RequestError (400).
    """
    given = typed(fields, "tools", list, [])
    if len(given) > MAX_TOOLS:
        raise RequestError(400, f"tools may hold up to {MAX_TOOLS} functions.", field="tools")
    several = typed(fields, "parallel_tool_calls", bool, True)
    tools = tuple(_tool(entry, f"tools[{i}]") for i, entry in enumerate(given))
    names = frozenset(tool.name for tool in tools)
    if len(names) < len(tools):
        raise RequestError(400, "tools names a function twice.", field="tools")
    match fields.get("tool_choice"):
        case None | "auto":
            return ToolUse(tools, names, required=False, several=several) if tools else None
        case "none":
            return None
        case "required" if tools:
            return ToolUse(tools, names, required=True, several=several)
        case {"type": "function", "function": {"name": str(name)}} if name in names:
            return ToolUse(tools, frozenset((name,)), required=True, several=False)
    message = "tool_choice must be none, auto, required or the name of a function among tools."
    raise RequestError(400, message, field="tool_choice")


def answer_grammar(tool_use: ToolUse | None, answer_rule: str | None) -> str | None:
    """The grammar of an answer that may be text (as `answer_rule` says, where it is given) or calls; None for any."""
    if tool_use is None:
        return f"start: {answer_rule}" if answer_rule is not None else None
    tools = [tool for tool in tool_use.tools if tool.name in tool_use.callable_names]
    lines = [f"call: {' | '.join(f'call_{i}' for i in range(len(tools)))}"]
    for i, tool in enumerate(tools):
        begun, ended = json.dumps(BEFORE_NAME + tool.name + AFTER_NAME), json.dumps(CLOSING)
        lines += [f"call_{i}: {begun} arguments_{i} {ended}", f"arguments_{i}: {tool.arguments_rule}"]
    opening = json.dumps(OPENING)
    calls = f'{opening} call ("\\n" {opening} call)*' if tool_use.several else f"{opening} call"
    if tool_use.required:
        start = calls
    elif answer_rule is not None:
        start = f"answer | {calls}"
        lines.append(f"answer: {answer_rule}")
    else:
        # A lazy lexeme ends where the opening first appears: from there on it is a call and no text.
        start = "(opened call)* TEXT" if tool_use.several else "TEXT | opened call"
        lines += [f"opened[lazy]: TEXT {opening}", r"TEXT: /(.|\n)*/"]
    return "\n".join([f"start: {start}", *lines])


def _tool(entry: object, where: str) -> Tool:
    function = entry.get("function") if isinstance(entry, dict) and entry.get("type") == "function" else None
    if not isinstance(entry, dict) or not isinstance(function, dict):
        raise RequestError(400, f"{where} must be of type function.", field=where)
    name = function.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        message = f"{where}.function.name must be 1 to 64 letters, digits, dots, dashes or underscores."
        raise RequestError(400, message, field=f"{where}.function.name")
    parameters = typed(function, "parameters", dict, _NO_PARAMETERS)
    strict = typed(function, "strict", bool, False)
    try:
        # the whole definition is shown to the model, so all of it is bounded
        json_rule(entry, lenient=True)
        rule = json_rule({"type": "object", **parameters}, lenient=not strict)
    except StructureError as error:
        where = f"{where}.function.parameters"
        raise RequestError(400, f"{where}: {error}", field=where, code="invalid_schema") from error
    return Tool(name, entry, rule)
