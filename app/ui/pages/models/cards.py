"""A model as a card: what it is for, what it needs, and whether it fits this machine."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QLayout

from app.models.catalogue import CatalogueModel, Fit
from app.models.installed import InstalledModel
from app.models.service import Offer
from app.ui import say
from app.ui.widgets.basic import GAP, Button, Card, Elided, Icon, Pill, label, row

_FITS = {Fit.FITS: "success", Fit.TIGHT: "warning", Fit.TOO_LARGE: "danger"}


def _fact(icon: str, text: str) -> QLayout:
    return row(Icon(icon, "muted", 16), label(text, "muted"), None)


class InstalledCard(Card):
    used = Signal(str)  # model id
    removed = Signal(object)  # InstalledModel

    def __init__(self, model: InstalledModel, *, drafting: bool) -> None:
        super().__init__()
        self.model = model
        name = Elided("heading")
        name.say(model.name)
        head = row(name, Pill(self.tr("Drafts with this"), "success") if drafting else Pill(self.tr("Installed")))
        head.setStretch(0, 1)
        self.body.addLayout(head)
        if model.known and model.known.starter:
            trial = self.tr("The trial model Quarry brings along: get Granite for real drafts.")
            self.body.addWidget(label(trial, "muted", wrap=True))
        elif model.known:
            self.body.addWidget(label(model.known.best_for, "muted", wrap=True))
        self.body.addLayout(_fact("memory", self.tr("{size} on disk").format(size=say.size(model.size))))
        if model.known:
            self.body.addLayout(_fact("license", f"{model.known.licence} · {model.known.maker}"))
        self.body.addStretch(1)
        use = Button(self.tr("Use for drafts"))
        use.setEnabled(not drafting)
        use.setAccessibleName(self.tr("Use {name} for drafts").format(name=model.name))
        use.clicked.connect(lambda: self.used.emit(model.id))
        remove = Button(kind="quiet", icon="trash", name=self.tr("Remove {name}").format(name=model.name))
        remove.clicked.connect(lambda: self.removed.emit(model))
        self.body.addLayout(row(use, None, remove))


class OfferCard(Card):
    wanted = Signal()

    def __init__(self, offer: Offer) -> None:
        super().__init__()
        model = offer.model
        name = Elided("heading")
        name.say(model.name)
        head = row(name)
        head.setStretch(0, 1)
        if offer.recommended:
            head.addWidget(Pill(self.tr("Recommended"), "info"))
        self.body.addLayout(head)
        self.body.addWidget(label(model.best_for, "muted", wrap=True))
        self.body.addLayout(row(Pill(_fit_words(self, offer.fit), _FITS[offer.fit]), None))
        self.body.addSpacing(GAP // 2)
        self.body.addLayout(_fact("speed", _parameters(self, model)))
        self.body.addLayout(_fact("download", self.tr("{size} to download").format(size=say.size(model.file_bytes))))
        memory = self.tr("{size} of memory for 2 drafts").format(size=say.size(offer.memory))
        self.body.addLayout(_fact("memory", memory))
        self.body.addLayout(_fact("license", f"{model.licence} · {model.maker}"))
        self.body.addStretch(1)
        add = Button(self.tr("Import its file"), "primary" if offer.recommended else "", icon="download")
        add.setAccessibleName(self.tr("Import the file of {name}").format(name=model.name))
        add.clicked.connect(self.wanted)
        self.body.addLayout(row(add, None))


def _fit_words(card: Card, fit: Fit) -> str:
    return {
        Fit.FITS: card.tr("Fits this computer"),
        Fit.TIGHT: card.tr("Fits, little to spare"),
        Fit.TOO_LARGE: card.tr("Too large for this computer"),
    }[fit]


def _parameters(card: Card, model: CatalogueModel) -> str:
    whole, active = _billions(model.parameters), _billions(model.active_parameters)
    if model.active_parameters == model.parameters:
        return card.tr("{all} parameters").format(all=whole)
    return card.tr("{all} parameters, {active} at work").format(all=whole, active=active)


def _billions(count: int) -> str:
    return f"{count / 1e9:.1f} B" if count >= 10**9 else f"{count / 1e6:.0f} M"
