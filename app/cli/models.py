"""quarry models: list, import, verify, remove."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli.options import DataDir, Json, Limit, services, show
from app.core.folder import models_folder
from app.models.catalogue import Fit
from app.models.installed import find, import_file, sha256_of
from app.models.installed import remove as remove_file

app = typer.Typer(name="models", help="Models on this machine, and those that would fit it.", no_args_is_help=True)
ModelId = Annotated[str, typer.Argument(metavar="MODEL", help="Its id in `quarry models list`.")]


@app.command("list")
def list_models(
    fitting: Annotated[bool, typer.Option("--fitting", help="Only what fits this machine.")] = False,
    limit: Limit = 50,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """List installed models and the catalogue with what fits here."""
    with services(data_dir) as opened:
        models = opened.models.listed()[:limit]
        offers = [offer for offer in opened.models.offers() if not fitting or offer.fit is not Fit.TOO_LARGE][:limit]
    document = {
        "installed": [{"id": model.id, "path": str(model.path), "bytes": model.size} for model in models],
        "catalogue": [
            {
                "id": offer.model.id,
                "name": offer.model.name,
                "maker": offer.model.maker,
                "licence": offer.model.licence,
                "parameters": offer.model.parameters,
                "memory": offer.memory,
                "fit": offer.fit.value,
                "recommended": offer.recommended,
                "installed": offer.installed,
            }
            for offer in offers
        ],
    }
    have = [f"  {model.id}  {model.size / 1e6:.0f} MB" for model in models] or ["  none: `quarry models import FILE`"]
    lines = ["Installed:", *have, "Catalogue:"]
    for offer in offers:
        mark = "  ← recommended here" if offer.recommended else ""
        lines.append(f"  {offer.model.id:<28} {offer.memory / 1e9:5.1f} GB  {offer.fit}{mark}")
    show(document, "\n".join(lines), as_json=json)


@app.command("import")
def import_model(
    file: Annotated[Path, typer.Argument(help="A GGUF file.")], data_dir: DataDir = None, json: Json = False
) -> None:
    """Copy a model file into the models folder."""
    model = import_file(models_folder(), file)
    show({"id": model.id, "bytes": model.size}, f"Imported {model.id}.", as_json=json)


@app.command()
def verify(model: ModelId, data_dir: DataDir = None, json: Json = False) -> None:
    """Print the sha256 of a model file."""
    found = find(models_folder(), model)
    digest = sha256_of(found.path)
    show({"id": found.id, "sha256": digest}, f"{found.id}  sha256 {digest}", as_json=json)


@app.command()
def remove(model: ModelId, data_dir: DataDir = None, json: Json = False) -> None:
    """Delete a model file."""
    found = find(models_folder(), model)
    remove_file(found)
    show({"id": found.id, "removed": True}, f"Removed {found.id}.", as_json=json)
