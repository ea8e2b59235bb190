"""The variants of one channel as cards that fill while the model writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PySide6.QtCore import QTimer, Signal, Slot
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QGridLayout, QVBoxLayout, QWidget

from app.core.ids import Id
from app.core.words import Channel, Draft, DraftState, Fitted, Generation, GenerationState
from app.drafting.events import DraftingEvent, GenerationEnded, VariantDrafted, VariantStarted, VariantText
from app.ui.pages.compose.content import measure
from app.ui.widgets.basic import GAP, Body, Card, Pill, label, row, scrolled

_CARD_WIDTH = 300  # the least; as many side by side as fit
_FRAME = 33  # ms between two redrawings of streaming text


class VariantCard(Card):
    """One variant: waiting, being written, or a draft to pick."""

    picked = Signal(str)  # draft id

    def __init__(self, variant: int, channel: Channel) -> None:
        super().__init__(clickable=True)
        self._channel = channel
        self.variant = variant
        self.draft: Draft | None = None
        self._title = label(self.tr("Variant {n}").format(n=variant + 1), "strong")
        self._state = Pill(self.tr("Waiting"))
        self._text = Body()
        self._facts = label("", "small")
        self.body.addLayout(row(self._title, None, self._state))
        self.body.addWidget(self._text, 1)
        self.body.addWidget(self._facts)
        self._pending = ""
        self._timer = QTimer(self, singleShot=True, interval=_FRAME)
        self._timer.timeout.connect(self._draw)
        self.clicked.connect(self._pick)
        self._name()

    def start(self) -> None:
        self._state.say(self.tr("Writing…"), "info")
        self.stream("")

    def stream(self, text: str) -> None:
        self._pending = text
        if not self._timer.isActive():
            self._timer.start()

    def show_draft(self, draft: Draft) -> None:
        self._timer.stop()
        self.draft = draft
        if draft.state is DraftState.APPROVED:
            self._state.say(self.tr("Approved"), "success")
        elif draft.fitted is Fitted.CUT:
            self._state.say(self.tr("Cut to fit"), "warning")
        elif draft.fitted is Fitted.SHORTENED:
            self._state.say(self.tr("Shortened"), "neutral")
        else:
            self._state.say(self.tr("Ready"), "success")
        self._text.say(draft.text)
        count = measure(draft.text, draft.channel).count
        facts = [draft.provenance.model or self.tr("written by hand")]
        if draft.provenance.tokens_per_second:
            facts.append(f"{draft.provenance.tokens_per_second:.0f} tok/s")
        facts.append(f"{count.used} / {count.limit}")
        self._facts.setText(" · ".join(facts))
        self._name()

    def end(self, state: GenerationState) -> None:
        """No more text will come."""
        if self.draft is None:
            self._draw()
            failed = state is GenerationState.FAILED
            self._state.say(self.tr("Failed") if failed else self.tr("Stopped"), "danger" if failed else "neutral")

    @Slot()
    def _draw(self) -> None:
        self._text.say(self._pending)
        self._facts.setText(self.tr("{n} words so far").format(n=len(self._pending.split())) if self._pending else "")

    @Slot()
    def _pick(self) -> None:
        if self.draft is not None:
            self.picked.emit(self.draft.id)

    def _name(self) -> None:
        text = self.draft.text[:80] if self.draft else ""
        self.setAccessibleName(f"{self._title.text()}. {text}")


class VariantBoard(QWidget):
    """The cards of one channel, newest generation first in use; as many columns as fit."""

    picked = Signal(str)

    def __init__(self, channel: Channel) -> None:
        super().__init__()
        self.channel = channel
        self._cards: dict[tuple[Id, int], VariantCard] = {}
        content = QWidget()
        self._grid = QGridLayout()
        self._grid.setSpacing(2 * GAP)
        self._grid.setContentsMargins(0, 0, 0, 0)
        inner = QVBoxLayout(content)
        inner.setContentsMargins(3 * GAP, 2 * GAP, 3 * GAP, 3 * GAP)
        inner.addLayout(self._grid)
        inner.addStretch(1)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.addWidget(scrolled(content))
        self._columns = 0

    @property
    def drafts(self) -> Sequence[Draft]:
        return [card.draft for card in self._cards.values() if card.draft is not None]

    def expect(self, generation: Generation, drafts: Mapping[int, Draft]) -> None:
        """Cards for every variant of a generation, with what is known of each."""
        for variant in range(generation.variants):
            card = self._card(generation.id, variant)
            if variant in drafts:
                card.show_draft(drafts[variant])
            elif card.draft is None:
                card.stream(generation.partial.get(variant, ""))
                if generation.state in {GenerationState.FAILED, GenerationState.CANCELED}:
                    card.end(generation.state)

    def add_draft(self, draft: Draft) -> None:
        """A draft of this channel, new or edited."""
        self._card(draft.generation_id or draft.id, draft.variant).show_draft(draft)

    def hear(self, event: DraftingEvent) -> None:
        """One event of a generation of this channel."""
        match event:
            case VariantStarted():
                self._card(event.generation_id, event.variant).start()
            case VariantText():
                self._card(event.generation_id, event.variant).stream(event.text)
            case VariantDrafted():
                self._card(event.generation_id, event.draft.variant).show_draft(event.draft)
            case GenerationEnded():
                for (generation_id, _variant), card in self._cards.items():
                    if generation_id == event.generation_id:
                        card.end(event.state)

    def _card(self, generation_id: Id, variant: int) -> VariantCard:
        key = (generation_id, variant)
        if key not in self._cards:
            card = VariantCard(variant, self.channel)
            card.picked.connect(self.picked)
            self._cards[key] = card
            self._arrange(force=True)
        return self._cards[key]

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._arrange()

    def _arrange(self, *, force: bool = False) -> None:
        columns = max(1, min((self.width() - 4 * GAP) // _CARD_WIDTH, 3))
        if columns == self._columns and not force:
            return
        for place, card in enumerate(self._cards.values()):
            self._grid.addWidget(card, place // columns, place % columns)
        for column in range(3):
            self._grid.setColumnStretch(column, 1 if column < columns else 0)
        self._columns = columns
