"""The Models page: installed models, the catalogue with its fit, import of a GGUF file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QFileDialog, QVBoxLayout, QWidget

from app.core.folder import models_folder
from app.models import installed
from app.models.installed import InstalledModel
from app.models.service import Offer
from app.ui.actions import Action
from app.ui.desk import Desk
from app.ui.page import Page
from app.ui.pages.models.cards import InstalledCard, OfferCard
from app.ui.widgets.basic import GAP, Button, column, label, scrolled
from app.ui.widgets.grid import CardGrid

_CARD = 290


class ModelsPage(Page):
    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._import = Button(self.tr("Import a model file"), icon="plus")
        self._import.clicked.connect(self._choose_file)
        self._installed = CardGrid(_CARD, most=3)
        self._offers = CardGrid(_CARD, most=3)
        self._none = label(
            self.tr("No model is installed. Import a GGUF file, or name another server in Settings."),
            "muted",
            wrap=True,
        )
        self._none.hide()
        content = QWidget()
        whole = column(
            label(self.tr("On this computer"), "heading"),
            self._none,
            self._installed,
            column(
                label(self.tr("Granite and others"), "heading"),
                label(
                    self.tr(
                        "Granite 4 mixes Mamba and attention layers: long sources cost little memory. Get a model's "
                        "GGUF file (Q4_K_M) from its maker and import it here."
                    ),
                    "muted",
                    wrap=True,
                ),
                spacing=GAP // 2,
            ),
            self._offers,
            None,
            spacing=2 * GAP,
        )
        whole.setContentsMargins(3 * GAP, 0, 3 * GAP, 3 * GAP)
        content.setLayout(whole)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.addWidget(scrolled(content))

    def tools(self) -> Sequence[QWidget]:
        return (self._import,)

    def actions_offered(self) -> Sequence[Action]:
        return (Action("models.import", self.tr("Import a model file"), self._choose_file, icon="download"),)

    def reload(self) -> None:
        run, queries = self.desk.background.run, self.desk.queries
        run(self, queries.installed_models(), self._show_installed)
        run(self, queries.offers(), self._show_offers)

    def _show_installed(self, models: Sequence[InstalledModel]) -> None:
        chosen = self.desk.settings.model
        first = models[0].id if models else ""
        drafting = chosen if any(model.id == chosen for model in models) else first
        cards = []
        for model in models:
            card = InstalledCard(model, drafting=model.id == drafting)
            card.used.connect(self._use)
            card.removed.connect(self._remove)
            cards.append(card)
        self._installed.show_cards(cards)
        self._none.setVisible(not cards)

    def _show_offers(self, offers: Sequence[Offer]) -> None:
        cards = []
        for offer in sorted(offers, key=lambda one: not one.recommended):
            if offer.model.starter or offer.installed:
                continue
            card = OfferCard(offer)
            card.wanted.connect(self._choose_file)
            cards.append(card)
        self._offers.show_cards(cards)

    @Slot(str)
    def _use(self, model_id: str) -> None:
        self.desk.change_settings(model=model_id)
        self.desk.notices.say(self.tr("The next drafts are written by {model}").format(model=model_id))

    @Slot(object)
    def _remove(self, model: InstalledModel) -> None:
        future = self.desk.services.loop.call(lambda: installed.remove(model))

        def done(_nothing: None) -> None:
            self.desk.notices.say(self.tr("{name} was removed").format(name=model.name))
            self.desk.notices.settings_changed.emit()

        self.desk.background.run(self, future, done)

    @Slot()
    def _choose_file(self) -> None:
        dialog = QFileDialog(self, self.tr("Import a model file"), "", self.tr("GGUF models (*.gguf)"))
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.fileSelected.connect(self.import_file)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    @Slot(str)
    def import_file(self, path: str) -> None:
        """Copy a GGUF file into the models folder."""
        self._import.setEnabled(False)
        self._import.setText(self.tr("Importing…"))
        future = self.desk.services.loop.call(lambda: installed.import_file(models_folder(), Path(path)))
        self.desk.background.run(self, future, self._imported, self._not_imported)

    def _imported(self, model: InstalledModel) -> None:
        self._ready()
        self.desk.notices.say(self.tr("{name} was imported").format(name=model.name))
        self.desk.notices.settings_changed.emit()

    def _not_imported(self, error: BaseException) -> None:
        self._ready()
        self.desk.notices.fail(error)

    def _ready(self) -> None:
        self._import.setEnabled(True)
        self._import.setText(self.tr("Import a model file"))
