"""Seconds to the first token behind a kept prefix: read anew, from memory, and from disk by a new store.

    python docs/bench/prefix_store.py [--depth N] [--new N] [--repeat N] [--quant NAME] [--json OUT] MODEL...

MODEL is a file, a checkpoint's folder, or the name of a shape (as in `engine bench`). The prompt has a border after
`--depth` tokens (8192) and `--new` tokens (16) behind it, others each time. From disk means that the file is read and
checked; the system has it in its cache. Measured is what a request waits for, from its first turn to the logits.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from engine.bench import opened
from engine.cpu.decoder import CpuDecoder
from engine.prefill import Prefill
from engine.prefix_files import PrefixFiles
from engine.prefix_store import PrefixStore
from engine.reading import Prompt

GIB = 1 << 30


def first_token(decoder: CpuDecoder, prompt: Prompt, store: PrefixStore | None) -> tuple[float, np.ndarray, int]:
    """Seconds, logits, and how many tokens were kept."""
    begun = time.perf_counter()
    prefill = Prefill(decoder, prompt, len(prompt.tokens) + 64, store)
    scores = None
    while scores is None:
        reading = prefill.want()
        assert reading is not None
        scores = prefill.take(decoder.step([reading])[0])
    seconds = time.perf_counter() - begun
    prefill.keep()
    cached = prefill.cached
    prefill.close()
    return seconds, scores, cached


def measured(model: str, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The medians of one model. The logits must be the same bits each way."""
    decoder = opened(model, options.quant, options.threads, "f16").decoder
    assert isinstance(decoder, CpuDecoder), "only the C kernels' states are kept"
    chance = random.Random(1)  # noqa: S311 - no secrets
    text = chance.choices(range(decoder.config.vocabulary), k=options.depth)

    def prompt() -> Prompt:
        return Prompt(text + chance.choices(range(decoder.config.vocabulary), k=options.new), (options.depth,))

    def store(files: PrefixFiles | None) -> PrefixStore:
        return PrefixStore(decoder, model, 2 * GIB, files)

    files = PrefixFiles(folder, 8 * GIB)
    kept = store(files)
    cold, _, _ = first_token(decoder, prompt(), kept)
    files.close()
    seconds: dict[str, list[float]] = {"memory": [], "disk": []}
    for _ in range(options.repeat):
        asked, again = prompt(), PrefixFiles(folder, 8 * GIB)
        from_memory, from_disk = first_token(decoder, asked, kept), first_token(decoder, asked, store(again))
        again.close()
        assert (from_memory[2], from_disk[2]) == (options.depth, options.depth)
        assert from_memory[1].tobytes() == from_disk[1].tobytes(), "the bits differ"
        seconds["memory"].append(from_memory[0])
        seconds["disk"].append(from_disk[0])
    medians = {where: round(1000 * statistics.median(each), 1) for where, each in seconds.items()}
    size = decoder.state_bytes(options.depth)
    return {"model": model, "cold_s": round(cold, 2), "file_mb": round(size / 1e6, 1), "first_token_ms": medians}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--depth", type=int, default=8192)
    parser.add_argument("--new", type=int, default=16)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quant", default="q4_k_m", help="of a shape's random weights")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = []
    for model in options.models:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(measured(model, options, Path(folder)))
        sys.stdout.write(f"{json.dumps(rows[-1])}\n")
    if options.json:
        how = {name: getattr(options, name) for name in ("depth", "new", "repeat", "threads")}
        options.json.write_text(json.dumps({"machine": platform.processor(), **how, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
