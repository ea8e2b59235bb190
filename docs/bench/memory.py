"""What an engine holds in memory: one of a tiny model, and one of each file beside what its weights and text need.

    python docs/bench/memory.py [--context N] [--cache KIND] FILE...

Each is `engine serve` as a process of its own, with no store of prompts, asked once for an answer after a prompt that
fills its context but for sixteen tokens. Peak is VmHWM of Linux: pages of the file that are mapped count as well.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).parents[2]))

from engine.bench import opened
from tests.engine.processes import TOKEN, engine
from tests.engine.tiny import write_tiny

MB = 1e6
NEW = 16


def peak(file: Path, context: int, cache: str) -> float:
    """MB that an engine held at most, up to the end of one answer."""
    options = ("--context", str(context), "--parallel", "1", "--prefix-memory", "0", "--cache", cache)
    request = {"prompt": [3 + i % 200 for i in range(context - NEW)], "max_tokens": NEW}
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with (
        engine(file, *options) as running,
        httpx.Client(base_url=running.url, headers=headers, timeout=3600, trust_env=False) as client,
    ):
        client.post("/v1/completions", json=request).raise_for_status()
        status = Path(f"/proc/{running.process.pid}/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) * 1024 / MB for line in status.splitlines() if line.startswith("VmHWM"))


def needed(file: Path, context: int, cache: str) -> tuple[float, float]:
    """MB of the file, and of state, keys and values of a text that fills the context."""
    decoder = opened(str(file), "q4_k_m", 1, cache).decoder  # type: ignore[arg-type]
    return file.stat().st_size / MB, decoder.state_bytes(context) / MB


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("files", metavar="FILE", type=Path, nargs="+")
    parser.add_argument("--context", type=int, default=2048)
    parser.add_argument("--cache", default="f16")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        empty = peak(write_tiny(Path(folder) / "tiny.gguf"), 64, given.cache)
    sys.stdout.write(f"An engine of a tiny model: {empty:.0f} MB\n\n")
    sys.stdout.write("| model | file | state and text | peak less the tiny one's | ratio |\n|---|---|---|---|---|\n")
    for file in given.files:
        stored, text = needed(file, given.context, given.cache)
        more = peak(file, given.context, given.cache) - empty
        sys.stdout.write(
            f"| {file.stem} | {stored:.0f} MB | {text:.0f} MB | {more:.0f} MB | {more / (stored + text):.2f} |\n"
        )
        sys.stdout.flush()


if __name__ == "__main__":
    main()
