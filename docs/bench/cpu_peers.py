"""Our engine and llama.cpp on the same file and the same cores, in turn: a table of medians and ratios.

    python docs/bench/cpu_peers.py --llama FOLDER [--repeat N] [--depth N] [--json OUT] FILE...

FOLDER holds llama-bench and llama-batched-bench (docs/bench/cpu.md says how they are built). Each round measures every
line once with llama.cpp and once with ours, one right after the other, so that a slower moment of the machine meets
both. Each measurement is a process of its own; the first repetition in it, which touches memory, is not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
WITHIN = 2  # repetitions of a process that count


@dataclass(frozen=True, slots=True)
class Line:
    """One thing to measure, as both name it."""

    name: str
    prompt: int = 0
    generate: int = 0
    depth: int = 0
    batch: int = 1


def lines(depth: int) -> Iterator[Line]:
    yield Line("prefill 512", prompt=512)
    yield Line("decode", generate=128)
    yield Line(f"decode at {depth:,}", generate=32, depth=depth)
    yield Line("8 sequences", generate=64, depth=16, batch=8)


def ours(file: Path, line: Line, threads: int) -> float:
    command = [sys.executable, "-m", "engine", "bench", "--json", "--model", str(file), "--threads", str(threads)]
    command += ["--prompt", str(line.prompt), "--gen", str(line.generate), "--depth", str(line.depth)]
    command += ["--batch", str(line.batch), "--repeat", str(WITHIN)]
    rows = json.loads(output(command))["rows"]
    return float(next(row for row in rows if row["test"] != "pp0" and row["test"] != "tg0")["tok_s"]["median"])


def theirs(file: Path, line: Line, threads: int, folder: Path) -> float:
    if line.batch > 1:
        command = [str(folder / "llama-batched-bench"), "-m", str(file), "-c", str(line.batch * 256)]
        command += ["-npp", str(line.depth), "-ntg", str(line.generate), "-npl", str(line.batch)]
        command += ["-t", str(threads), "--output-format", "jsonl"]
        documents = [json.loads(text) for text in output(command).splitlines() if text.startswith("{")]
        return float(documents[-1]["speed_tg"])
    command = [str(folder / "llama-bench"), "-m", str(file), "-o", "json", "-t", str(threads), "-r", str(WITHIN)]
    command += ["-p", str(line.prompt), "-n", str(line.generate), "-d", str(line.depth)]
    return statistics.median(json.loads(output(command))[0]["samples_ts"])


def output(command: list[str]) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{command[0]} failed: {done.stderr[-1000:]}")
    return done.stdout


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("files", metavar="FILE", type=Path, nargs="+")
    parser.add_argument("--llama", metavar="FOLDER", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--depth", type=int, default=16384)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--only", metavar="NAME", help="lines whose name begins so")
    parser.add_argument("--json", metavar="OUT", type=Path, help="append every measurement, a line each")
    given = parser.parse_args()
    say(f"{platform.platform()}, {given.threads} threads, {given.repeat} rounds\n")
    say("| model | test | llama.cpp tok/s | ours tok/s | ratio (least to most) |\n|---|---|---|---|---|")
    for file in given.files:
        for line in lines(given.depth):
            if given.only and not line.name.startswith(given.only):
                continue
            pairs = []
            for _ in range(given.repeat):
                pairs.append((theirs(file, line, given.threads, given.llama), ours(file, line, given.threads)))
                if given.json:
                    with given.json.open("a", encoding="utf-8") as log:
                        log.write(json.dumps({"model": file.stem, "test": line.name, "pair": pairs[-1]}) + "\n")
            ratios = [mine / other for other, mine in pairs]
            other, mine = (statistics.median(pair[i] for pair in pairs) for i in (0, 1))
            spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
            say(f"| {file.stem} | {line.name} | {other:.1f} | {mine:.1f} | {spread} |")


if __name__ == "__main__":
    main()
