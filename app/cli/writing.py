"""How a terminal watches drafts being written: one text grows at a time, the others are told when they are done."""

from __future__ import annotations

import sys
from typing import TextIO

from app.cli.options import printable, say
from app.drafting.events import DraftingEvent, VariantDrafted, VariantStarted, VariantText


class Writing:
    """Takes drafting events. Where nobody watches (a pipe, a log) it prints lines only."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stderr
        self._watched = self._out.isatty()
        self._growing: tuple[str, int] | None = None  # generation and variant
        self._shown = ""

    def __call__(self, event: DraftingEvent) -> None:
        match event:
            case VariantStarted(variant=variant, model=model) if not self._watched:
                say(f"{model} writes variant {variant + 1}…")
            case VariantText(generation_id=generation, variant=variant, text=text) if self._watched and text:
                self._grow((generation, variant), text)
            case VariantDrafted(draft=done):
                if self._growing == (done.generation_id, done.variant):
                    self._out.write("\n")
                    self._growing = None
                if self._growing is None:  # never into a text that still grows
                    speed = done.provenance.tokens_per_second
                    say(f"{done.channel} {done.variant + 1}: {speed:.1f} tok/s, {done.fitted}")

    def _grow(self, which: tuple[str, int], text: str) -> None:
        if self._growing is None:
            self._growing, self._shown = which, ""
            self._out.write(f"\n[variant {which[1] + 1}] ")
        if self._growing != which:
            return
        if not text.startswith(self._shown):  # written again, after a crash or to be shorter
            self._out.write("\n")
            self._shown = ""
        self._out.write(printable(text[len(self._shown) :]))
        self._out.flush()
        self._shown = text
