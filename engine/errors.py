"""What can be wrong with a model file, read or written. Each error is one sentence for the creator."""

from __future__ import annotations


class ModelFileError(Exception):
    """The model file cannot be used; `message` says why and what to do, on one line.

    It may quote the file, so what cannot be printed is replaced.
    """

    def __init__(self, message: str) -> None:
        self.message = "".join(
            character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in message
        )
        super().__init__(self.message)


class OutputError(Exception):
    """What was to be written could not be; its text says why and what was kept, on one line."""


def damaged(what: str) -> ModelFileError:
    """The file breaks the rules of its own format."""
    return ModelFileError(f"The model file is damaged or not a model ({what}); download it again or choose another.")


def unsupported(what: str) -> ModelFileError:
    """The file is sound but needs something this engine does not have."""
    return ModelFileError(f"This model cannot run in this engine: {what}; choose another model or file.")
