"""The generations that are being written for the Compose page."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from functools import partial

from PySide6.QtCore import QObject, Signal, Slot

from app.core.ids import Id
from app.core.words import Channel, Draft, Generation
from app.drafting.events import DraftingEvent, GenerationEnded, VariantDrafted, VariantStarted
from app.ui.desk import Desk


class DraftingRuns(QObject):
    heard = Signal(object, object)  # Channel, DraftingEvent
    changed = Signal(bool)  # whether anything is being written

    def __init__(self, desk: Desk, parent: QObject) -> None:
        super().__init__(parent)
        self._desk = desk
        self._channels: dict[Id, Channel] = {}
        self._futures: dict[Id, Future[Sequence[Draft]]] = {}

    def run(self, generations: Sequence[Generation]) -> None:
        """Write what is missing of each; events come as `heard`."""
        drafting, loop = self._desk.services.drafting, self._desk.services.loop
        for generation in generations:
            self.expect(generation)
            future = loop.run(drafting.run(generation.id, self._desk.background.listener(self, self.hear)))
            self._futures[generation.id] = future
            self._desk.background.run(self, future, on_error=partial(self._failed, generation.id))
        self.changed.emit(bool(self._futures))

    def expect(self, generation: Generation) -> None:
        """Events of this generation belong to its channel."""
        self._channels[generation.id] = generation.channel

    def hear(self, event: DraftingEvent) -> None:
        """One event of drafting, in the window's thread."""
        if channel := self._channels.get(event.generation_id):
            self.heard.emit(channel, event)
        if isinstance(event, VariantStarted):
            self._desk.notices.drafting.emit(event.model, 0.0)
        elif isinstance(event, VariantDrafted):
            made = event.draft.provenance
            self._desk.notices.drafting.emit(made.model, made.tokens_per_second)
        elif isinstance(event, GenerationEnded):
            self._end(event.generation_id)

    @Slot()
    def stop(self) -> None:
        """Cancel all; what was written so far stays."""
        for future in list(self._futures.values()):
            future.cancel()

    def _failed(self, generation_id: Id, error: BaseException) -> None:
        self._end(generation_id)  # no event says so where it could not even begin
        self._desk.notices.fail(error)

    def _end(self, generation_id: Id) -> None:
        if self._futures.pop(generation_id, None) is not None and not self._futures:
            self._desk.notices.drafting.emit("", 0.0)
            self.changed.emit(False)
