"""The matrix products of the CPU kernels alone: billions of multiplications a second by format and number of columns.

    python docs/bench/products.py [--threads N] [--rows N] [--width N] [--repeat N] [FORMAT...]

With one column a product reads memory and does little else, so that line also says how many GB a second it read.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from engine.checkpoint.dequantize import TYPE_NAMES
from engine.random_weights import random_stored
from kernels.cpu import library as native

COLUMNS = (1, 2, 4, 8, 16, 64, 256)
WORK = 0.1  # seconds of one measurement, about


def packed(type_id: int, rows: int, width: int) -> np.ndarray:
    stored = random_stored(type_id, (rows, width), np.random.default_rng(0)).reshape(-1)
    data = np.zeros(native.packed_bytes(type_id, rows, width), np.uint8)
    native.pack(type_id, rows, width, stored, data)
    return data


def seconds(context: native.Context, matrix: native.Matrix, inputs: np.ndarray, repeat: int) -> float:
    """Of one product: the median of `repeat` measurements of many."""
    begun = time.perf_counter()
    context.linear(matrix, inputs)
    times = max(1, int(WORK / (time.perf_counter() - begun)))
    measured = []
    for _ in range(repeat):
        begun = time.perf_counter()
        for _ in range(times):
            context.linear(matrix, inputs)
        measured.append((time.perf_counter() - begun) / times)
    return statistics.median(measured)


def main() -> None:
    names = {name: type_id for type_id, name in TYPE_NAMES.items() if type_id in native.FORMATS}
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("formats", metavar="FORMAT", nargs="*", default=["Q4_1", "Q8_0", "Q4_K", "Q6_K"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rows", type=int, default=16384)
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--repeat", type=int, default=5)
    given = parser.parse_args()
    model = native.Model(
        hidden=given.width, intermediate=given.width, heads=1, kv_heads=1, head_dim=8, state_groups=1, layer_count=1
    )
    context = native.Context(model, max(COLUMNS), given.threads)
    inputs = np.random.default_rng(1).standard_normal((max(COLUMNS), given.width)).astype(np.float32)
    head = " | ".join(str(count) for count in COLUMNS)
    sys.stdout.write(f"{given.threads} threads, {given.rows} rows of {given.width}; billions a second\n\n")
    sys.stdout.write(f"| format | GB/s at 1 | {head} |\n|---|---|{'---|' * len(COLUMNS)}\n")
    for name in given.formats:
        data = packed(names[name], given.rows, given.width)
        matrix = native.matrix(names[name], given.rows, given.width, data)
        spent = [seconds(context, matrix, inputs[:count], given.repeat) for count in COLUMNS]
        rates = [given.rows * given.width * count / took / 1e9 for count, took in zip(COLUMNS, spent, strict=True)]
        row = " | ".join(f"{rate:.1f}" for rate in rates)
        sys.stdout.write(f"| {name} | {data.nbytes / spent[0] / 1e9:.1f} | {row} |\n")
        sys.stdout.flush()
    context.close()


if __name__ == "__main__":
    main()
