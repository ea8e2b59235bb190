"""Counters of the server in Prometheus' text format.

Written here, because the official client costs an idle engine 4.5 MB and a handful of lines is all that is needed.
The format: https://prometheus.io/docs/instrumenting/exposition_formats/ (version 0.0.4).
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

from engine.prefix_store import PrefixCounts
from engine.protocol import Finished

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class Histogram:
    """How many observations were at most as large as each bound."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def samples(self, name: str) -> Iterator[str]:
        total = 0
        for bound, count in zip((*self._bounds, "+Inf"), self._counts, strict=True):
            total += count
            yield f'{name}_bucket{{le="{bound}"}} {total}'
        yield f"{name}_sum {self._sum:g}"
        yield f"{name}_count {total}"


class Metrics:
    """What one server did since it began. Used by the server's event loop alone."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, int]] = Counter()
        self._answers: Counter[str] = Counter()
        self._tokens: Counter[str] = Counter()
        self._seconds = {"prompt": 0.0, "generation": 0.0}
        self._first_token = Histogram(_SECONDS)
        self._whole = Histogram(_SECONDS)

    def answered(self, path: str, status: int) -> None:
        """A request to `path`, one of the server's own, was answered."""
        self._requests[path, status] += 1

    def first_token(self, seconds: float) -> None:
        """An answer's first text came `seconds` after its request."""
        self._first_token.observe(seconds)

    def finished(self, finished: Finished, seconds: float) -> None:
        """An answer was complete `seconds` after its request."""
        self._answers[finished.reason] += 1
        self._tokens["prompt"] += finished.usage.prompt_tokens
        self._tokens["cached"] += finished.usage.cached_tokens
        self._tokens["generated"] += finished.usage.completion_tokens
        self._seconds["prompt"] += finished.usage.prompt_seconds
        self._seconds["generation"] += finished.usage.completion_seconds
        self._whole.observe(seconds)

    def broken_off(self, why: str) -> None:
        """An answer ended before its end: `why` is cancelled or failed."""
        self._answers[why] += 1

    def text(self, running: int, waiting: int, kept: PrefixCounts | None) -> str:
        lines = [
            *_family("http_requests_total", "counter", "Requests answered, by path and status."),
            *(f'quarry_http_requests_total{{path="{path}",status="{status}"}} {count}'
              for (path, status), count in sorted(self._requests.items())),
            *_labelled("answers_total", "Answers ended, by reason.", "reason", self._answers),
            *_labelled("tokens_total", "Tokens of prompts, those of them not read again, and made.", "kind",
                       self._tokens),
            *_labelled("model_seconds_total", "Seconds from first step to prompt read, and from there to the end.",
                       "phase", self._seconds),
            *_family("first_token_seconds", "histogram", "From the request to the first text of an answer."),
            *self._first_token.samples("quarry_first_token_seconds"),
            *_family("answer_seconds", "histogram", "From the request to the end of an answer."),
            *self._whole.samples("quarry_answer_seconds"),
            *_family("answers_running", "gauge", "Answers being made now."),
            f"quarry_answers_running {running}",
            *_family("answers_waiting", "gauge", "Answers waiting for their turn."),
            f"quarry_answers_waiting {waiting}",
            *(_kept(kept) if kept is not None else ()),
        ]  # fmt: skip
        return "\n".join(lines) + "\n"


def _kept(kept: PrefixCounts) -> Iterator[str]:
    """What engine.prefix_store has."""
    files = kept.files
    lookups = {"hit": kept.hits, "miss": kept.misses}
    yield from _labelled("prefix_lookups_total", "Prompts that began as a kept one, or not.", "result", lookups)
    entries = {"memory": kept.entries, "disk": files.files}
    yield from _labelled("prefix_entries", "States kept now.", "place", entries, "gauge")
    sizes = {"memory": kept.memory_bytes, "disk": files.bytes}
    yield from _labelled("prefix_bytes", "Their size, what several share once.", "place", sizes, "gauge")
    lost = {"damaged": files.damaged, "skipped": files.skipped}
    yield from _labelled("prefix_files_lost_total", "Files found damaged, or not written in time.", "reason", lost)


def _family(name: str, kind: str, meaning: str) -> tuple[str, str]:
    return f"# HELP quarry_{name} {meaning}", f"# TYPE quarry_{name} {kind}"


def _labelled(name: str, meaning: str, label: str, values: Mapping[str, float], kind: str = "counter") -> Iterator[str]:
    yield from _family(name, kind, meaning)
    for value, count in sorted(values.items()):
        yield f'quarry_{name}{{{label}="{value}"}} {count:.15g}'
