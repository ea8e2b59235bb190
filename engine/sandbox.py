"""Jinja for templates from untrusted files: no reach into Python, and bounds on time, loops and sizes.

Jinja's own sandbox keeps a template from attributes and from changing what it is given. It does not keep it from
running for ever or from making a text of many gigabytes. So each loop and each macro begins with a tick that counts
and looks at the clock, and whatever can make a text longer than its parts is bounded or left out.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

import jinja2
from jinja2 import nodes
from jinja2.ext import loopcontrols
from jinja2.filters import FILTERS
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

MAX_CHARS: Final = 8 << 20  # of any text, and of the whole output
MAX_TICKS: Final = 100_000  # loop turns and macro calls
MAX_RANGE: Final = 100_000  # in total, per rendering
MAX_SECONDS: Final = 2.0  # of the thread's processor time
MAX_INDENT: Final = 100
_MAX_BITS: Final = 256  # of a number
_TICK: Final = f"tick_{secrets.token_hex(8)}"  # a name that no template can know, and so cannot replace

# fmt: off
_FILTERS: Final = frozenset((
    "abs", "attr", "capitalize", "count", "d", "default", "dictsort", "e", "escape", "first", "float", "int",
    "items", "last", "length", "list", "lower", "map", "max", "min", "reject", "rejectattr", "reverse", "round",
    "safe", "select", "selectattr", "sort", "string", "title", "trim", "unique", "upper",
))
_TEXT_METHODS: Final = frozenset((
    "capitalize", "count", "endswith", "find", "index", "isalnum", "isalpha", "isdigit", "islower", "isspace",
    "isupper", "lower", "lstrip", "partition", "removeprefix", "removesuffix", "rfind", "rindex", "rpartition",
    "rsplit", "rstrip", "split", "splitlines", "startswith", "strip", "title", "upper",
))
# fmt: on

# What a template's own mistakes come out as.
_RENDERING_ERRORS: Final = (
    jinja2.TemplateError,
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
)


class TemplateError(Exception):
    """The template refused what it was given, or ran over a bound; the message is one sentence."""


class SandboxedTemplate:
    """A compiled template. Raises jinja2.TemplateError, SyntaxError or RecursionError where it cannot be compiled."""

    def __init__(self, source: str) -> None:
        environment = _BoundedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
        self._template = environment.from_string(source)
        self.names = frozenset(node.name for node in environment.parse(source).find_all(nodes.Name))

    def render(self, values: Mapping[str, Any]) -> str:
        """Raises TemplateError."""
        pieces: list[str] = []
        size = 0
        bounds = {_TICK: _ticker(), "range": _bounded_range(), "raise_exception": _raise}
        try:
            for piece in self._template.generate({**values, **bounds}):
                size += len(piece)
                if size > MAX_CHARS:
                    raise TemplateError("The chat template wrote more than a prompt can hold.")
                pieces.append(piece)
        except _RENDERING_ERRORS as error:
            raise TemplateError(f"The model's chat template did not take these messages ({error}).") from error
        return "".join(pieces)


class _BoundedEnvironment(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset(("+", "*", "**", "%"))  # each can make a short text long

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        bounded = {"indent": _indent, "join": _join, "replace": _replace, "tojson": _to_json}
        self.filters = {name: FILTERS[name] for name in _FILTERS} | bounded
        del self.globals["lipsum"]

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        parsed: nodes.Template = _Bounds().visit(super()._parse(source, name, filename))
        return parsed

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        numbers = isinstance(left, int | float) and isinstance(right, int | float)
        if operator == "+":
            if not numbers and len(left) + len(right) > MAX_CHARS:
                raise TemplateError("The chat template makes a text longer than a prompt can be.")
        elif operator == "**" or not numbers:
            raise TemplateError(f"The chat template uses {operator}, which is not allowed there.")
        elif isinstance(left, int) and isinstance(right, int) and left.bit_length() + right.bit_length() > _MAX_BITS:
            raise TemplateError("The chat template counts too far.")
        return super().call_binop(context, operator, left, right)

    def call(self, context: Any, obj: Any, *arguments: Any, **options: Any) -> Any:
        method = getattr(obj, "__wrapped__", obj)  # the sandbox wraps str.format
        text = getattr(method, "__self__", None)
        if isinstance(text, str):
            match method.__name__:
                case "replace":
                    return _replace(text, *arguments, **options)
                case "join":
                    return _join(arguments[0], text)
                case name if name not in _TEXT_METHODS:
                    raise TemplateError(f"The chat template uses {name}(), which is not allowed.")
        return super().call(context, obj, *arguments, **options)


class _Bounds(NodeTransformer):
    """Puts a tick at the start of each loop and macro, and writes `a ~ b` as an addition, which is bounded."""

    def visit_For(self, node: nodes.For) -> nodes.Node:
        return self._ticking(node)

    def visit_Macro(self, node: nodes.Macro) -> nodes.Node:
        return self._ticking(node)

    def visit_CallBlock(self, node: nodes.CallBlock) -> nodes.Node:
        return self._ticking(node)

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        self.generic_visit(node)
        parts = [nodes.Filter(part, "string", [], [], None, None, lineno=node.lineno) for part in node.nodes]
        whole: nodes.Expr = parts[0]
        for part in parts[1:]:
            whole = nodes.Add(whole, part, lineno=node.lineno)
        whole.set_environment(node.environment)  # type: ignore[arg-type]  # a parsed node has one
        return whole

    def _ticking(self, node: nodes.For | nodes.Macro | nodes.CallBlock) -> nodes.Node:
        self.generic_visit(node)
        tick = nodes.ExprStmt(nodes.Call(nodes.Name(_TICK, "load"), [], [], None, None))
        tick.set_lineno(node.lineno).set_environment(node.environment)  # type: ignore[arg-type]
        node.body.insert(0, tick)
        return node


def _ticker() -> Callable[[], None]:
    left = MAX_TICKS
    deadline = time.thread_time() + MAX_SECONDS

    def tick() -> None:
        nonlocal left
        left -= 1
        if left < 0 or time.thread_time() > deadline:
            raise TemplateError("The chat template runs too long.")

    return tick


def _bounded_range() -> Callable[..., range]:
    left = MAX_RANGE

    def bounded_range(*bounds: int) -> range:
        nonlocal left
        numbers = range(*bounds)
        left -= len(numbers)
        if left < 0:
            raise TemplateError("The chat template loops too often.")
        return numbers

    return bounded_range


def _raise(message: str) -> NoReturn:
    raise TemplateError(f"The model's chat template did not take these messages ({message}).")


def _replace(text: Any, old: str, new: str, count: int = -1) -> str:
    text = str(text)  # Jinja's own filter does so too
    times = text.count(old) if count is None or count < 0 else min(text.count(old), count)
    if len(text) + times * len(new) > MAX_CHARS:
        raise TemplateError("The chat template makes a text longer than a prompt can be.")
    replaced: str = text.replace(old, new, times)
    return replaced


def _join(values: Any, d: str = "", attribute: str | int | None = None) -> str:
    parts = [str(value if attribute is None else value[attribute]) for value in values]
    if sum(map(len, parts)) + len(d) * len(parts) > MAX_CHARS:
        raise TemplateError("The chat template makes a text longer than a prompt can be.")
    return d.join(parts)


def _indent(text: str, width: int = 4, first: bool = False, blank: bool = False) -> str:
    if not 0 <= width <= MAX_INDENT or len(text) + width * text.count("\n") > MAX_CHARS:
        raise TemplateError("The chat template indents too far.")
    indented: str = FILTERS["indent"](text, width, first, blank)
    return indented


def _to_json(value: Any, indent: int | None = None) -> str:
    """As Hugging Face renders it: key order kept, characters not escaped."""
    if indent is not None and not 0 <= indent <= MAX_INDENT:
        raise TemplateError("The chat template indents too far.")
    return json.dumps(value, ensure_ascii=False, indent=indent)
