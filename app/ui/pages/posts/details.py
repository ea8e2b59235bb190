"""One post: its text, what was tried and when, and what the creator can do about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future

from PySide6.QtCore import QUrl, Signal, Slot
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QFrame, QLineEdit, QVBoxLayout, QWidget

from app.core.words import Attempt, Post, PostState, Publication, StepRun
from app.publishing.progress import Progress
from app.publishing.service import PostDetails
from app.ui import icons, say
from app.ui.desk import Desk
from app.ui.pages.calendar.model import MOVABLE
from app.ui.widgets.basic import GAP, Body, Button, Card, Elided, Icon, Pill, clear, column, label, line, row, scrolled

_WIDTH = 360
_RETRYABLE = {PostState.FAILED, PostState.NEEDS_USER}
_CANCELABLE = (MOVABLE | {PostState.PUBLISHING}) - {PostState.CANCELED}


class DetailsPane(QFrame):
    closed = Signal()

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk
        self._shown: PostDetails | None = None
        self._link = QLineEdit()  # where the creator pastes the address of a post that did go out
        self.setProperty("role", "side")
        self.setFixedWidth(_WIDTH)
        content = QWidget()
        self._box = QVBoxLayout(content)
        self._box.setContentsMargins(2 * GAP + 4, GAP, 2 * GAP + 4, 2 * GAP)
        self._box.setSpacing(2 * GAP)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(1, 0, 0, 0)
        whole.addWidget(scrolled(content))

    @property
    def post(self) -> Post | None:
        return self._shown.post if self._shown else None

    def show_details(self, details: PostDetails) -> None:
        if details == self._shown:
            return
        typed = self._link.text() if self.post and self.post.id == details.post.id else ""
        self._shown = details
        clear(self._box)
        post = details.post
        look = say.state(post.state)
        close = Button(kind="quiet", icon="x", name=self.tr("Close details"))
        close.clicked.connect(self.closed)
        self._box.addLayout(row(Pill(look.text, look.tone), None, close))
        who = Elided("strong")
        who.say(f"{say.channel(post.channel)} · {details.account.label}")
        time = say.when(post.due_at, self._desk.clock(), self._desk.zone) if post.due_at else self.tr("No time yet")
        icon = Icon(icons.platform_icon(post.channel.platform), "muted", 20)
        head = row(icon, column(who, label(time, "small"), spacing=2), spacing=GAP + 4)
        head.setStretch(1, 1)
        self._box.addLayout(head)
        card = Card()
        card.body.addWidget(Body(post.content.text))
        self._box.addWidget(card)
        if post.message:
            self._box.addWidget(self._remark(post.message, look.tone))
        if self._unknown(details):
            self._box.addLayout(self._resolve(typed))
        if buttons := self._buttons(details):
            self._box.addLayout(row(*buttons, None))
        for publication in details.publications:
            self._box.addLayout(self._live(publication))
        self._box.addLayout(self._history(details.attempts))
        self._box.addStretch(1)

    def _remark(self, text: str, tone: str) -> QWidget:
        frame = Card(role="sunken", padding=GAP + 4)
        words = row(Icon("alert", tone if tone in {"danger", "warning"} else "muted", 16), Body(text), spacing=GAP)
        words.setStretch(1, 1)
        frame.body.addLayout(words)
        return frame

    def _buttons(self, details: PostDetails) -> list[Button]:
        post, publishing, zone = details.post, self._desk.services.publishing, self._desk.zone
        made = []
        if post.state in _RETRYABLE and not self._unknown(details):
            retry = Button(self.tr("Try again"), "primary", icon="refresh")
            retry.clicked.connect(lambda: self._do(lambda: publishing.retry(post.id)))
            made.append(retry)
        if post.state in {PostState.APPROVED, PostState.SCHEDULED}:
            now = Button(self.tr("Publish now"), icon="send")
            now.clicked.connect(lambda: self._do(lambda: publishing.publish_now(post.id, zone)))
            made.append(now)
        if post.due_at is not None and post.state is not PostState.CANCELED:
            calendar = Button(self.tr("Calendar"), icon="calendar")
            calendar.clicked.connect(lambda: self._desk.go("calendar", post.id))
            made.append(calendar)
        if post.state in _CANCELABLE:
            cancel = Button(self.tr("Cancel post"), "danger", icon="x")
            cancel.clicked.connect(lambda: self._desk.commands.cancel(post, self.tr("Post canceled")))
            made.append(cancel)
        return made

    def _resolve(self, typed: str) -> QVBoxLayout:
        """The creator's answer where the platform could not tell."""
        self._link = QLineEdit(typed, placeholderText="https://")
        self._link.setAccessibleName(self.tr("Link of the post"))
        went_out = Button(self.tr("It did go out"), "primary", icon="check")
        went_out.clicked.connect(self._confirm)
        resend = Button(self.tr("It did not: send it again"), icon="send")
        resend.clicked.connect(self._resend)
        return column(
            label(self.tr("Is it live? Paste its link"), "label"), self._link, row(went_out, resend, None), spacing=GAP
        )

    def _live(self, publication: Publication) -> QVBoxLayout:
        at = say.when(publication.published_at, self._desk.clock(), self._desk.zone)
        title = self.tr("Live since {at}").format(at=at)
        if publication.gone_at:
            title = self.tr("No longer there")
        show = Button(self.tr("Open"), icon="external")
        show.setAccessibleName(self.tr("Open the live post"))
        show.clicked.connect(lambda: QDesktopServices.openUrl(QUrl(publication.permalink)))
        show.setVisible(bool(publication.permalink))
        link = Elided("small")
        link.say(publication.permalink)
        words = row(Icon("link", "muted"), column(label(title, "strong"), link, spacing=2), show)
        words.setStretch(1, 1)
        return column(words)

    def _history(self, attempts: Sequence[tuple[Attempt, Sequence[StepRun]]]) -> QVBoxLayout:
        box = column(spacing=GAP)
        if not attempts:
            return box
        box.addWidget(line())
        for attempt, runs in attempts:
            look = say.state(attempt.state)
            began = attempt.started_at
            when = say.when(began, self._desk.clock(), self._desk.zone) if began else ""
            title = label(self.tr("Attempt {n}").format(n=attempt.number), "strong")
            box.addLayout(row(Icon(look.icon, look.tone), title, label(look.text, "small"), None, label(when, "small")))
            for run in runs:
                box.addWidget(self._step(run))
        return box

    def _step(self, run: StepRun) -> QWidget:
        widget = QWidget()
        seconds = f" · {run.seconds:.1f} s" if run.seconds else ""
        time = say.clock(run.at, self._desk.zone) if run.at else ""
        head = row(label(f"{run.step or '–'}: {run.event}{seconds}"), None, label(time, "small"))
        box = column(head, spacing=2)
        if run.message:
            box.addWidget(label(run.message, "small", wrap=True))
        if run.detail:
            box.addWidget(label(run.detail, "small", wrap=True))
        box.setContentsMargins(3 * GAP, 0, 0, 0)
        widget.setLayout(box)
        return widget

    def _unknown(self, details: PostDetails) -> bool:
        """Whether it rests because nobody can tell if it went out."""
        if details.post.state is not PostState.NEEDS_USER or not details.attempts:
            return False
        attempt = details.attempts[0][0]
        return not attempt.state.ended and not Progress.of(attempt.resume).clear_to_send

    def _do(self, work: Callable[[], Future[Post]]) -> None:
        self._desk.background.run(self, work)  # the change it makes redraws the page

    @Slot()
    def _confirm(self) -> None:
        if post := self.post:
            link = self._link.text().strip()
            self._do(lambda: self._desk.services.publishing.resolve(post.id, link=link))

    @Slot()
    def _resend(self) -> None:
        if post := self.post:
            self._do(lambda: self._desk.services.publishing.resolve(post.id, resend=True))
