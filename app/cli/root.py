"""The root of the command line: every command, and what an error looks like."""

from __future__ import annotations

import sys
import traceback
from datetime import UTC, datetime

import typer

from app.cli import account, calendar, doctor, insights, models, post
from app.cli.daemon import daemon
from app.cli.draft import draft
from app.cli.engine import engine
from app.cli.options import say
from app.cli.tour import tour
from app.core.errors import EXIT_BUG, KnownError
from app.core.folder import DataFolder, default_data_folder

ANYTHING = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
"""For a command that hands its arguments on."""

app = typer.Typer(
    name="quarry",
    help="Draft posts with a model on your own machine, publish them exactly once, learn from the results.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (tour, draft, daemon):
    app.command()(command)
app.command(context_settings=ANYTHING)(engine)
app.command()(calendar.calendar)
app.command()(doctor.doctor)
for group in (post, account, insights, models):
    app.add_typer(group.app)


def main(arguments: list[str]) -> int:
    """Run one command; the exit code is what cli.md promises."""
    try:
        app(arguments, standalone_mode=False)
    except typer.Exit as exit_:
        return exit_.exit_code
    except KnownError as error:
        say(error.message)
        return error.exit_code
    except KeyboardInterrupt:
        say("Stopped.")
        return 130
    except Exception as error:  # the last border: ours, so it is reported and named
        return _bug(error)
    return 0


def _bug(error: Exception) -> int:
    """Write a report and name it."""
    if show := getattr(error, "show", None):  # a usage error of the argument parser, which knows how to say it
        show()
        return int(getattr(error, "exit_code", 2))
    folder = DataFolder(default_data_folder())
    report = folder.logs / f"report-{datetime.now(UTC):%Y%m%d-%H%M%S}.txt"
    try:
        folder.prepare()
        report.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
        where = f"the report is {report}"
    except (OSError, KnownError):
        traceback.print_exception(error, file=sys.stderr)
        where = "it could not be written to a file"
    say(f"Quarry has a bug ({type(error).__name__}); nothing saved was lost; {where}.")
    return EXIT_BUG
