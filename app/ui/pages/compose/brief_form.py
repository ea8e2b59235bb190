"""The brief: what the creator wants said, for whom, and where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from PySide6.QtCore import QCoreApplication, Qt, Signal, Slot
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QComboBox, QFrame, QLineEdit, QPlainTextEdit, QSpinBox, QVBoxLayout, QWidget

from app.core.ids import Id, new_id
from app.core.words import Brief, Channel, Length, Voice
from app.ui import icons, say
from app.ui.marks import QT_TRANSLATE_NOOP
from app.ui.widgets.basic import GAP, Button, column, field, inset, label, row, scrolled
from app.ui.widgets.flow import FlowLayout
from publishers.api import Capabilities

_GOALS = (
    ("inform", QT_TRANSLATE_NOOP("Brief", "Inform")),
    ("discuss", QT_TRANSLATE_NOOP("Brief", "Start a discussion")),
    ("entertain", QT_TRANSLATE_NOOP("Brief", "Entertain")),
    ("sell", QT_TRANSLATE_NOOP("Brief", "Sell")),
)
_LENGTHS = (
    (Length.SHORT, QT_TRANSLATE_NOOP("Brief", "Short")),
    (Length.MEDIUM, QT_TRANSLATE_NOOP("Brief", "Medium")),
    (Length.LONG, QT_TRANSLATE_NOOP("Brief", "Long")),
)
_LANGUAGES = (
    ("en", "English"), ("zh", "中文"), ("de", "Deutsch"), ("fr", "Français"), ("es", "Español"), ("it", "Italiano"),
    ("pt", "Português"), ("nl", "Nederlands"), ("ja", "日本語"), ("ko", "한국어"), ("ar", "العربية"), ("cs", "Čeština"),
)  # fmt: skip
_WIDTH = 320
_MOST_VARIANTS = 6


class BriefForm(QFrame):
    changed = Signal()  # something was typed or chosen
    submitted = Signal()  # Draft was pressed
    stopped = Signal()

    def __init__(self, platforms: Sequence[Capabilities]) -> None:
        super().__init__()
        self.setProperty("role", "form")
        self.setFixedWidth(_WIDTH)
        self._id: Id = new_id()
        self._running = False
        self._make_fields()
        self._make_chips(platforms)
        content = QWidget()
        content.setLayout(self._arrange())
        self._draft = Button(self.tr("Draft"), "primary", icon="spark")
        self._draft.setToolTip("Ctrl+Enter")
        self._draft.setMinimumHeight(36)
        self._error = label("", "error", wrap=True)
        self._error.hide()
        footer = QFrame()
        footer.setProperty("role", "footer")
        hint = label(self.tr("Ctrl+Enter"), "small")
        hint.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        foot = column(self._error, self._draft, hint, spacing=GAP // 2)
        foot.setContentsMargins(3 * GAP, GAP + 4, 2 * GAP, GAP)
        footer.setLayout(foot)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(0)
        box.addWidget(scrolled(content), 1)
        box.addWidget(footer)
        self._draft.clicked.connect(self.press)
        for keys in ("Ctrl+Return", "Ctrl+Enter"):
            QShortcut(QKeySequence(keys), self).activated.connect(self.press)

    def _make_fields(self) -> None:
        self._topic = QPlainTextEdit(placeholderText=self.tr("What is the post about?"))
        self._topic.setFixedHeight(64)
        self._source = QPlainTextEdit()
        self._source.setPlaceholderText(self.tr("Optional: an article, notes or a transcript to draw from"))
        self._source.setFixedHeight(96)
        self._audience = QLineEdit(placeholderText=self.tr("Optional: home bakers, indie developers…"))
        for editor in (self._topic, self._source):
            editor.setTabChangesFocus(True)
            editor.textChanged.connect(self.changed)
        self._audience.textEdited.connect(self.changed)
        self._goal, self._length, self._language, self._voice = (QComboBox() for _ in range(4))
        for goal, text in _GOALS:
            self._goal.addItem(QCoreApplication.translate("Brief", text), goal)
        for length, text in _LENGTHS:
            self._length.addItem(QCoreApplication.translate("Brief", text), length)
        self._length.setCurrentIndex(1)
        for code, text in _LANGUAGES:
            self._language.addItem(text, code)
        self._voice.addItem(self.tr("None"), None)
        for choice in (self._goal, self._length, self._language, self._voice):
            choice.activated.connect(self.changed)
            choice.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            choice.setMinimumContentsLength(8)
        self._variants = QSpinBox(minimum=1, maximum=_MOST_VARIANTS, value=3)
        inset(self._variants)

    def _make_chips(self, platforms: Sequence[Capabilities]) -> None:
        self._chips: dict[Channel, Button] = {}
        self._flow = FlowLayout()
        for capabilities in platforms:
            for format_ in capabilities.formats:
                channel = Channel(capabilities.platform, format_.id)
                chip = Button(say.channel(channel), "chip", icon=icons.platform_icon(capabilities.platform))
                chip.setCheckable(True)
                chip.setAccessibleName(self.tr("Channel {name}").format(name=say.channel(channel)))
                chip.clicked.connect(self.changed)
                self._chips[channel] = chip
                self._flow.addWidget(chip)
        if first := next(iter(self._chips.values()), None):
            first.setChecked(True)

    def _arrange(self) -> QVBoxLayout:
        pair = row(field(self.tr("Goal"), self._goal), field(self.tr("Length"), self._length), spacing=GAP + 4)
        words = row(
            field(self.tr("Language"), self._language), field(self.tr("Variants"), self._variants), spacing=GAP + 4
        )
        for box in (pair, words):
            box.setStretch(0, 1)
            box.setStretch(1, 1)
        self._voice_box = QWidget()
        self._voice_box.setLayout(field(self.tr("Voice"), self._voice))
        self._voice_box.hide()
        whole = column(
            field(self.tr("Topic"), self._topic),
            field(self.tr("Source text"), self._source),
            field(self.tr("Audience"), self._audience),
            pair,
            words,
            self._voice_box,
            column(label(self.tr("Channels"), "label"), self._flow, spacing=GAP // 2 + 2),
            None,
            spacing=2 * GAP,
        )
        whole.setContentsMargins(3 * GAP, GAP // 2, 2 * GAP, 2 * GAP)
        return whole

    def focus_first(self) -> None:
        self._topic.setFocus()

    @property
    def variants(self) -> int:
        return self._variants.value()

    @property
    def empty(self) -> bool:
        """Whether nothing worth keeping is typed."""
        return not (self._topic.toPlainText().strip() or self._source.toPlainText().strip())

    def brief(self) -> Brief:
        """What stands in the form now."""
        return Brief(
            id=self._id,
            topic=self._topic.toPlainText().strip(),
            source=self._source.toPlainText().strip(),
            audience=self._audience.text().strip(),
            goal=self._goal.currentData(),
            length=self._length.currentData(),
            language=self._language.currentData(),
            voice_id=self._voice.currentData(),
            channels=tuple(channel for channel, chip in self._chips.items() if chip.isChecked()),
        )

    def show_brief(self, brief: Brief) -> None:
        """Fill the form; says nothing of it as a change."""
        self.blockSignals(True)
        self._id = brief.id
        self._topic.setPlainText(brief.topic)
        self._source.setPlainText(brief.source)
        self._audience.setText(brief.audience)
        for choice, value in (
            (self._goal, brief.goal),
            (self._length, brief.length),
            (self._language, brief.language),
            (self._voice, brief.voice_id),
        ):
            choice.setCurrentIndex(max(choice.findData(value), 0))
        for channel, chip in self._chips.items():
            chip.setChecked(channel in brief.channels)
        self.blockSignals(False)

    def start_anew(self) -> None:
        """An empty form that keeps audience, language and channels: the next brief is usually for the same people."""
        now = self.brief()
        self.show_brief(replace(now, id=new_id(), topic="", source=""))
        self._topic.setFocus()

    def show_voices(self, voices: Sequence[Voice]) -> None:
        chosen = self._voice.currentData()
        self._voice.clear()
        self._voice.addItem(self.tr("None"), None)
        for voice in voices:
            self._voice.addItem(voice.name, voice.id)
        self._voice.setCurrentIndex(max(self._voice.findData(chosen), 0))
        self._voice_box.setVisible(bool(voices))

    def show_running(self, running: bool) -> None:
        """Draft becomes Stop while variants are written."""
        self._running = running
        text = self.tr("Stop") if running else self.tr("Draft")
        self._draft.setText(text)
        self._draft.setAccessibleName(text)
        self._draft.set_icon("stop" if running else "spark")

    def show_error(self, text: str) -> None:
        self._error.setText(text)
        self._error.setVisible(bool(text))

    @Slot()
    def press(self) -> None:
        """Draft, or stop what is being drafted."""
        if self._running:
            self.stopped.emit()
            return
        brief = self.brief()
        if not brief.topic:
            self.show_error(self.tr("Say what the post is about."))
            self._topic.setFocus()
        elif not brief.channels:
            self.show_error(self.tr("Choose at least one channel."))
        else:
            self.show_error("")
            self.submitted.emit()
