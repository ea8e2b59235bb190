"""Wires the services of one process over one data folder. The only place that knows them all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.accounts.service import Accounts
from app.analytics.pulls import Pulls
from app.analytics.service import Analytics
from app.core.background import BackgroundLoop
from app.core.clock import Clock, utc_now
from app.core.folder import DataFolder, default_data_folder, models_folder
from app.core.settings import MachineSettings, load_settings
from app.daemon.outbox import Outbox
from app.drafting.service import Drafting
from app.media.service import MediaStore
from app.models.service import Models
from app.publishing.service import Publishing
from app.ranking.service import Ranking
from app.secrets.contract import SecretStore
from app.store.database import Store


@dataclass(frozen=True, slots=True)
class Services:
    """Everything a face can do. Database methods give Futures; coroutines run on `loop`."""

    folder: DataFolder
    settings: MachineSettings
    clock: Clock
    loop: BackgroundLoop
    store: Store
    models: Models
    accounts: Accounts
    media: MediaStore
    drafting: Drafting
    publishing: Publishing
    analytics: Analytics
    pulls: Pulls
    ranking: Ranking
    outbox: Outbox


def no_passphrase() -> str | None:
    """For faces that cannot ask."""
    return None


@contextmanager
def open_services(
    data_dir: Path | None = None,
    *,
    passphrase: Callable[[], str | None] = no_passphrase,
    clock: Clock = utc_now,
) -> Iterator[Services]:
    """Open a data folder; closed in order at the end, whatever happened. Raises KnownError."""
    folder = DataFolder(data_dir or default_data_folder()).prepare()
    settings = load_settings(folder.settings)
    store = Store(folder, clock)
    loop = BackgroundLoop()
    models = Models(folder, settings, models_folder())

    def secrets() -> SecretStore:
        from app.secrets.opening import open_secrets  # keychain and vault load when an account first needs one

        return open_secrets(folder, passphrase)

    accounts = Accounts(store, secrets, clock)
    media = MediaStore(store, folder, clock)
    pulls = Pulls(store, accounts, clock)
    outbox = Outbox(store, accounts, media, pulls, folder, clock)
    try:
        yield Services(
            folder=folder,
            settings=settings,
            clock=clock,
            loop=loop,
            store=store,
            models=models,
            accounts=accounts,
            media=media,
            drafting=Drafting(store, models),
            publishing=Publishing(store),
            analytics=Analytics(store),
            pulls=pulls,
            ranking=Ranking(store),
            outbox=outbox,
        )
    finally:
        loop.run(accounts.close()).result()
        loop.close()
        outbox.close()
        models.close()
        store.close()
