"""Another Quarry on the same data folder: waits for a line, then uses an account as a worker would.

python -m tests.app.accounts.child FOLDER ACCOUNT_ID
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from app.accounts.service import Accounts
from app.core.clock import utc_now
from app.core.folder import DataFolder
from app.secrets.opening import open_secrets
from app.store.database import Store


async def use(accounts: Accounts, account_id: str) -> str:
    account = accounts.get(account_id).result()
    try:
        async with accounts.context(account) as context:
            return context.tokens.access_token
    finally:
        await accounts.close()


def main(root: Path, account_id: str) -> None:
    folder = DataFolder(root)
    store = Store(folder)
    secrets = open_secrets(folder, lambda: None)
    print("ready", flush=True)
    sys.stdin.readline()
    print(asyncio.run(use(Accounts(store, lambda: secrets, utc_now), account_id)))
    store.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
