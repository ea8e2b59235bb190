"""What a Quarry does with the keychain of a desktop session; run there by test_secret_service.py.

python -m tests.app.secrets.desktop store|read|forget|choose FOLDER
"""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path

import keyring
import secretstorage

from app.core.errors import KnownError
from app.core.folder import DataFolder
from app.secrets.keychain import SERVICE
from app.secrets.opening import open_secrets

LONG = "tökens " * 800


def main(action: str, folder: DataFolder) -> None:
    try:
        secrets = open_secrets(folder, lambda: None)
    except KnownError as error:
        print(error.message)
        return
    print(type(keyring.get_keyring()).__module__, type(secrets).__name__)
    if action == "store":
        secrets.set("account", "short")
        secrets.set("account", LONG)
        secrets.set("account", LONG[::-1])
        secrets.set("other", "short")
    if action == "read":
        assert secrets.get("account") == LONG[::-1]
        assert secrets.get("other") == "short"
    if action == "forget":
        secrets.delete("account")
        secrets.delete("other")
    with closing(secretstorage.dbus_init()) as connection:
        items = list(secretstorage.get_default_collection(connection).search_items({"service": SERVICE}))
        print(len(items), "items of at most", max((len(item.get_secret()) for item in items), default=0))


if __name__ == "__main__":
    main(sys.argv[1], DataFolder(Path(sys.argv[2])).prepare())
