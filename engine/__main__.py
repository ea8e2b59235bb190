"""`python -m engine`: serve a model until told to stop, measure one, write a smaller one, or test the kernels."""

from __future__ import annotations

import argparse
import json
import logging
import os
import secrets
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

TOKEN_VARIABLE: Final = "QUARRY_ENGINE_TOKEN"
CANNOT_SERVE: Final = 2  # exit status; of the other commands too
LOOPBACK: Final = "127.0.0.1"
_MIXTURES: Final = ("q4_k_m", "q8_0")  # of engine.quantize, which takes a moment to import


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    if options.with_owner:
        threading.Thread(target=_die_with_owner, name="owner", daemon=True).start()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    command: Callable[[argparse.Namespace], int] = options.run
    return command(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m engine", description="Quarry's language model engine")
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="serve one model over an OpenAI-compatible API")
    serve.set_defaults(run=_serve)
    serve.add_argument("--model", type=Path, required=True, metavar="FILE", help="a GGUF file or a checkpoint folder")
    serve.add_argument("--host", default=LOOPBACK, help="address to listen at (default: this machine only)")
    serve.add_argument("--port", type=_from(0, 65_535), default=0, metavar="N", help="0 takes a free one (default)")
    serve.add_argument("--parallel", type=_from(1, 64), default=2, metavar="N", help="answers at a time (default 2)")
    serve.add_argument("--queue", type=_from(0, 10_000), default=64, metavar="N", help="more that wait (default 64)")
    serve.add_argument("--context", type=_from(16, 1 << 24), metavar="N", help="tokens of prompt and answer together")
    serve.add_argument("--threads", type=_from(1, 1024), default=os.cpu_count() or 1, metavar="N")
    size = _from(0, 1 << 24)
    serve.add_argument(
        "--memory",
        type=_from(1, 1 << 24),
        metavar="MIB",
        help="for answers in progress (default: most of what is free)",
    )
    serve.add_argument("--prefix-memory", type=size, default=512, metavar="MIB", help="for read prompts (default 512)")
    serve.add_argument("--prefix-dir", type=Path, metavar="DIR", help="keep read prompts on disk too, in this folder")
    serve.add_argument("--prefix-disk", type=size, default=2048, metavar="MIB", help="so much there (default 2048)")
    _add_cache(serve)
    serve.add_argument("--with-owner", action="store_true", help="end as soon as standard input is closed")
    bench = commands.add_parser("bench", help="measure tokens a second, in the terms of llama-bench")
    bench.set_defaults(run=_bench, with_owner=False)
    bench.add_argument(
        "--model",
        required=True,
        metavar="FILE|SHAPE",
        help="a GGUF file, a checkpoint's folder, or a shape such as h-1b",
    )
    bench.add_argument(
        "--quant", choices=_MIXTURES, default="q4_k_m", help="of a shape's random weights (default q4_k_m)"
    )
    bench.add_argument("--threads", type=_from(1, 1024), default=os.cpu_count() or 1, metavar="N")
    bench.add_argument("--prompt", type=_numbers, default=[512], metavar="N,N", help="prompt lengths (default 512)")
    bench.add_argument("--gen", type=_numbers, default=[128], metavar="N,N", help="tokens to make (default 128)")
    bench.add_argument("--depth", type=_numbers, default=[0], metavar="N,N", help="tokens read before (default 0)")
    bench.add_argument("--batch", type=_numbers, default=[1], metavar="N,N", help="sequences at once (default 1)")
    _add_cache(bench)
    bench.add_argument("--repeat", type=_from(1, 1000), default=5, metavar="N")
    bench.add_argument("--json", action="store_true", help="one JSON document on standard output")
    quantize = commands.add_parser("quantize", help="write a model with smaller weights, for llama.cpp too")
    quantize.set_defaults(run=_quantize, with_owner=False)
    quantize.add_argument("source", type=Path, help="a checkpoint's folder or a GGUF file, in F32, F16 or BF16")
    quantize.add_argument("out", type=Path, help="the GGUF file to write; nothing of that name may exist")
    quantize.add_argument(
        "--type", choices=_MIXTURES, default="q4_k_m", help="about 4.8 (default) or 8.5 bits a weight"
    )
    quantize.add_argument("--threads", type=_from(1, 1024), default=os.cpu_count() or 1, metavar="N")
    selftest = commands.add_parser("selftest", help="compare every kernel of this machine with its reference")
    selftest.set_defaults(run=_selftest, with_owner=False)
    selftest.add_argument("--threads", type=_from(1, 1024), default=os.cpu_count() or 1, metavar="N")
    selftest.add_argument("--json", action="store_true", help="one JSON document on standard output")
    return parser


def _add_cache(command: argparse.ArgumentParser) -> None:
    how = "keep keys and values in 16 bits (default), or in 8: half the memory, a little less exact"
    command.add_argument("--cache", choices=("f16", "q8_0", "f32"), default="f16", help=how)


def _numbers(text: str) -> list[int]:
    """Whole numbers with commas between them."""
    numbers = [int(part) for part in text.split(",") if part]
    if not all(0 <= number <= 1 << 20 for number in numbers):
        raise argparse.ArgumentTypeError(f"{text} holds a number that is not from 0 to {1 << 20}")
    return numbers


def _from(low: int, high: int) -> Callable[[str], int]:
    """A whole number from low to high."""

    def parse(text: str) -> int:
        value = int(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{value} is not from {low} to {high}")
        return value

    return parse


def _serve(options: argparse.Namespace) -> int:
    # Threads that wait must sleep, not spin: on a busy desktop spinning ones take the time from those that work.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    # these take a moment to import: not for --help, and only once the owner is watched
    from engine.cpu.decoder import CpuDecoder
    from engine.errors import ModelFileError
    from engine.loader import load_model
    from engine.memory import LEAST_MEMORY, free_memory
    from engine.prefix_files import PrefixFiles
    from engine.prefix_store import PrefixStore
    from engine.scheduler import Scheduler
    from engine.server import make_app, serve

    try:
        listener = _listen(options.host, options.port)
        model = load_model(options.model, options.context, options.threads, cache=options.cache)
    except (ModelFileError, OSError) as error:
        sentence = str(error)
        sys.stderr.write(sentence + "\n")
        _announce({"error": sentence})
        return CANNOT_SERVE
    host, port = listener.getsockname()[:2]
    token = os.environ.get(TOKEN_VARIABLE)
    if not token:
        token = secrets.token_urlsafe(32)
        sys.stderr.write(f"{model.info.id} answers at http://{host}:{port}/v1 with the token {token}\n")
    free = max(free_memory() - (options.prefix_memory << 20), LEAST_MEMORY)
    memory = options.memory << 20 if options.memory else free
    scheduler = Scheduler(options.parallel, options.queue, model.decoder.step, memory)
    threading.Thread(target=scheduler.run, name="generate", daemon=True).start()
    files = prefixes = None
    if isinstance(model.decoder, CpuDecoder):  # torch's numbers depend on how a text is cut
        if options.prefix_dir and options.prefix_disk:
            files = PrefixFiles(options.prefix_dir, options.prefix_disk << 20)
        prefixes = PrefixStore(model.decoder, model.info.file_sha256, options.prefix_memory << 20, files)
    app = make_app(model, scheduler, token, _allowed_hosts(options.host, port), prefixes)
    serve(app, listener, on_ready=lambda: _announce({"port": port, "pid": os.getpid()}))
    scheduler.stop()
    if files is not None:
        files.close()
    return 0


def _bench(options: argparse.Namespace) -> int:
    from engine.bench import Plan, bench
    from engine.errors import ModelFileError

    if not options.prompt and not options.gen:
        sys.stderr.write("There is nothing to measure: give --prompt or --gen a length.\n")
        return CANNOT_SERVE
    plan = Plan(options.prompt, options.gen, options.depth, options.batch, options.repeat)
    try:
        result = bench(
            options.model,
            options.quant,
            options.threads,
            options.cache,
            plan,
            lambda line: sys.stderr.write(line + "\n"),
        )
    except ModelFileError as error:
        sys.stderr.write(f"{error}\n")
        return CANNOT_SERVE
    if options.json:
        _announce(result)
    return 0


def _quantize(options: argparse.Namespace) -> int:
    from engine.errors import ModelFileError, OutputError
    from engine.quantize import MIXTURES, quantize
    from kernels.cpu.build import BuildError

    def say(line: str) -> None:
        sys.stderr.write(line + "\n")

    mixture = MIXTURES[options.type]
    try:
        size = quantize(options.source, options.out, mixture, options.threads, say)
    except (ModelFileError, OutputError) as error:
        say(str(error))
        return CANNOT_SERVE
    except BuildError as error:
        say(f"Quantizing needs the engine's C library, and {error}; nothing was written.")
        return CANNOT_SERVE
    except KeyboardInterrupt:
        say(f"Stopped: nothing of {options.out} was kept.")
        return 130  # as shells say it
    say(f"{options.out}: {size / 1e6:,.1f} MB of {mixture.name}")
    return 0


def _selftest(options: argparse.Namespace) -> int:
    from engine.selftest import checks
    from kernels.cpu.build import BuildError

    done = []
    try:
        for check in checks(options.threads):
            done.append(check)
            mark = "ok" if check.ok else "WRONG"
            sys.stderr.write(f"{mark:>6}  {check.name}  (differs by {check.difference:.1e} of {check.limit:.0e})\n")
    except BuildError as error:
        sys.stderr.write(f"The engine computes in torch here, because {error}; there are no kernels to test.\n")
        return CANNOT_SERVE
    if options.json:
        _announce({"checks": [check.document() for check in done], "ok": all(check.ok for check in done)})
    return 0 if all(check.ok for check in done) else 1


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family)
    listener.set_inheritable(False)
    return listener


def _allowed_hosts(host: str, port: int) -> set[str] | None:
    """Host headers to answer to. One that listens beyond this machine is reached by names it cannot know."""
    if host in ("0.0.0.0", "::"):  # noqa: S104  # the person asked for it
        return None
    shown = f"[{host}]" if ":" in host else host
    return {f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]", shown)}


def _announce(line: dict[str, object]) -> None:
    """One JSON line on standard output, for the program that started this one."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def _die_with_owner() -> None:
    """Wait for the end of standard input, which the system closes even when the owner is killed, and end at once."""
    while os.read(0, 4096):
        pass
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
