"""The editor of one draft: live count in the platform's own unit, and what the platform would refuse."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Signal, Slot
from PySide6.QtGui import QColor, QTextCharFormat, QTextCursor
from PySide6.QtWidgets import QPlainTextEdit, QProgressBar, QTextEdit, QVBoxLayout, QWidget

from app.core.words import Draft
from app.drafting.service import check
from app.ui import theme
from app.ui.autosave import Autosave
from app.ui.desk import Desk
from app.ui.pages.compose.content import Measured, is_thread, measure, shortened, to_content
from app.ui.widgets.basic import GAP, Button, Elided, Icon, clear, column, label, restyle, row
from publishers.api import Issue


class DraftEditor(QWidget):
    text_changed = Signal(str)
    checked = Signal(bool)  # whether the platform would take it
    left = Signal()  # back to the variants

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk
        self._draft: Draft | None = None
        self._saving = False
        self._autosave = Autosave(self, self._save)
        self._back = Button(self.tr("All variants"), "quiet", icon="chevron-left")
        self._facts = Elided("small")
        self._discard = Button(kind="quiet", icon="trash", name=self.tr("Discard this draft"))
        self._edit = QPlainTextEdit()
        self._edit.setProperty("role", "editor")
        self._edit.setAccessibleName(self.tr("Draft"))
        self._edit.setTabChangesFocus(True)
        self._bar = QProgressBar(textVisible=False)
        self._bar.setAccessibleName(self.tr("Share of the limit used"))
        self._count = label("", "small")
        self._saved = label("", "small")
        self._issues = QVBoxLayout()
        self._issues.setSpacing(GAP // 2)
        top = row(self._back, self._facts, self._discard, spacing=GAP + 4)
        top.setStretch(1, 1)
        box = column(top, self._edit, self._bar, row(self._count, None, self._saved), self._issues)
        box.setContentsMargins(3 * GAP, GAP, 3 * GAP, 2 * GAP)
        box.setStretch(1, 1)
        self.setLayout(box)
        self._edit.textChanged.connect(self._typed)
        self._back.clicked.connect(self.leave)
        self._discard.clicked.connect(self._discard_draft)

    @property
    def draft(self) -> Draft | None:
        return self._draft

    def open(self, draft: Draft) -> None:
        """Edit a draft; what waits of the one before is saved first."""
        self.flush()
        self._draft = draft
        self._edit.blockSignals(True)
        self._edit.setPlainText(draft.text)
        self._edit.moveCursor(QTextCursor.MoveOperation.End)
        self._edit.blockSignals(False)
        facts = [self.tr("Variant {n}").format(n=draft.variant + 1)]
        if draft.provenance.model:
            facts += [draft.provenance.model, f"{draft.provenance.tokens_per_second:.0f} tok/s"]
        else:
            facts.append(self.tr("written by hand"))
        self._facts.say(" · ".join(facts))
        self._saved.setText(self.tr("A blank line begins the next post") if is_thread(draft.channel) else "")
        self._check()
        self.text_changed.emit(draft.text)
        self._edit.setFocus()

    def refresh(self, draft: Draft) -> None:
        """The draft changed in the store: show it, unless the creator is typing over it."""
        if self._draft is None or draft.id != self._draft.id or draft.version <= self._draft.version:
            return
        if not self._autosave.waiting and not self._saving:
            self.open(draft)

    def flush(self) -> None:
        """Save at once what is typed."""
        self._autosave.flush()

    @Slot()
    def leave(self) -> None:
        self.flush()
        self._draft = None
        self.left.emit()

    @Slot()
    def _typed(self) -> None:
        if self._draft is None:
            return
        self._autosave.touch()
        self._saved.setText(self.tr("Saving…"))
        self._check()
        self.text_changed.emit(self._edit.toPlainText())

    def _save(self) -> None:
        draft = self._draft
        if draft is None:
            return
        if self._saving:  # wait for the version that is being written
            self._autosave.touch()
            return
        content = to_content(self._edit.toPlainText(), draft.channel, draft.content)
        if content == draft.content:
            self._saved.setText("")
            return
        self._saving = True
        future = self._desk.services.drafting.edit(draft.id, content, draft.version)
        self._desk.background.run(self, future, self._saved_as, self._not_saved)

    def _saved_as(self, draft: Draft) -> None:
        self._saving = False
        if self._draft is not None and self._draft.id == draft.id:
            self._draft = draft
            if not self._autosave.waiting:
                self._saved.setText(self.tr("Saved"))

    def _not_saved(self, error: BaseException) -> None:
        self._saving = False
        self._saved.setText(self.tr("Not saved"))
        self._desk.notices.fail(error)

    # ---- checking --------------------------------------------------------------------------------

    def _check(self) -> None:
        draft = self._draft
        if draft is None:
            return
        text = self._edit.toPlainText()
        measured = measure(text, draft.channel)
        count = measured.count
        self._bar.setRange(0, max(count.limit, 1))
        self._bar.setValue(min(count.used, count.limit))
        said = f"{count.used} / {count.limit} {count.unit}"
        if measured.parts > 1:
            said += " · " + self.tr("post {n} of {all}").format(n=measured.part + 1, all=measured.parts)
        self._count.setText(said)
        restyle(self._count, role="small" if count.fits else "over")
        self._underline(text, measured)
        issues = check(to_content(text, draft.channel, draft.content), draft.channel)
        self._show_issues(issues)
        self.checked.emit(not any(issue.severity == "error" for issue in issues))

    def _underline(self, text: str, measured: Measured) -> None:
        marks = []
        for begin, end in measured.over:
            mark = QTextEdit.ExtraSelection()
            cursor = QTextCursor(self._edit.document())
            cursor.setPosition(_utf16(text, begin))
            cursor.setPosition(_utf16(text, end), QTextCursor.MoveMode.KeepAnchor)
            look = QTextCharFormat()
            look.setBackground(QColor(theme.tokens().danger_soft))
            look.setUnderlineStyle(QTextCharFormat.UnderlineStyle.WaveUnderline)
            look.setUnderlineColor(QColor(theme.tokens().danger))
            mark.cursor, mark.format = cursor, look
            marks.append(mark)
        self._edit.setExtraSelections(marks)

    def _show_issues(self, issues: Sequence[Issue]) -> None:
        clear(self._issues)
        for issue in issues:
            tone = "error" if issue.severity == "error" else "warning"
            text = label(issue.message, tone, wrap=True)
            line = row(Icon("alert", "danger" if tone == "error" else "warning", 16), text)
            line.setStretch(1, 1)
            if issue.fix == "shorten":
                fix = Button(self.tr("Cut at a sentence"))
                fix.clicked.connect(self._shorten)
                line.addWidget(fix)
            self._issues.addLayout(line)

    @Slot()
    def _shorten(self) -> None:
        if self._draft is not None:
            short = shortened(self._edit.toPlainText(), self._draft.channel)
            cursor = self._edit.textCursor()  # through the cursor, so that Ctrl+Z takes it back
            cursor.select(QTextCursor.SelectionType.Document)
            cursor.insertText(short)

    @Slot()
    def _discard_draft(self) -> None:
        if self._draft is not None:
            self._desk.commands.discard(self._draft, self.tr("Draft discarded"))
            self.leave()


def _utf16(text: str, place: int) -> int:
    """A place in a Python string as Qt counts it."""
    return place + sum(1 for character in text[:place] if ord(character) > 0xFFFF)
