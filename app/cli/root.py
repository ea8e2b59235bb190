"""The root of the command line: every command, and what an error looks like."""

from __future__ import annotations

import sys

import typer

from app.cli import account, calendar, doctor, insights, models, post
from app.cli.daemon import daemon
from app.cli.draft import draft
from app.cli.engine import engine
from app.cli.options import Call, DataDir, say
from app.cli.tour import tour
from app.core.errors import EXIT_BUG, KnownError, WrongUsage
from app.core.folder import DataFolder, default_data_folder
from app.core.report import describe, write_report

ANYTHING = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
"""For a command that hands its arguments on."""

EXIT_STOPPED = 130
"""Exit code after Ctrl-C (128 + SIGINT, as shells have it)."""

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


@app.callback()
def root(data_dir: DataDir = None) -> None:
    """Draft posts with a model on your own machine, publish them exactly once, learn from the results."""


def main(arguments: list[str]) -> int:
    """Run one command; the exit code is what cli.md promises."""
    call = Call()
    try:
        ended = app(arguments, prog_name="quarry", standalone_mode=False, obj=call)
    except KnownError as error:
        say(error.message)
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):  # Ctrl-C, or Ctrl-D at a prompt
        ended = EXIT_STOPPED
    except Exception as error:  # the last border: ours, so it is reported and named
        return _unexpected(error, call)
    if ended == EXIT_STOPPED:
        say("Stopped; what was saved is kept.")
    return ended if isinstance(ended, int) else 0


def _unexpected(error: Exception, call: Call) -> int:
    """Let the argument parser explain its own errors; write a report of any other and name it."""
    if explain := getattr(error, "show", None):
        explain()
        return int(getattr(error, "exit_code", WrongUsage.exit_code))
    try:
        report = write_report(DataFolder(call.data_dir or default_data_folder()).logs, error, call.secrets)
        where = f"the report is {report}"
    except OSError:
        sys.stderr.write(describe(error, call.secrets))
        where = "the report stands above, because it could not be written to a file"
    say(f"Quarry has a bug ({type(error).__name__}); nothing saved was lost; {where}.")
    return EXIT_BUG
