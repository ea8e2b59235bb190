"""`engine bench`: tokens a second, in the terms of llama-bench, so that the two stand side by side.

`ppN` reads a prompt of N tokens, `tgN` makes N tokens; both after `depth` tokens and in `batch` sequences at once, and
both count tokens of the whole batch. Tokens are random: speed does not depend on which they are. The name of a known
shape (engine.shapes) instead of a file runs that model with random weights, made here in the formats of a mixture.
"""

from __future__ import annotations

import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, Final

from engine.cpu.decoder import CpuDecoder
from engine.cpu.packing import CacheFormat
from engine.errors import ModelFileError
from engine.loader import load_model
from engine.quantize import MIXTURES, stored_type
from engine.random_weights import RandomWeights
from engine.reading import STEP_TOKENS, Decoder, Reading
from engine.shapes import SHAPES
from kernels.cpu.build import BuildError
from kernels.cpu.library import PAGE

SEED: Final = 1


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure; each of `prompts` and `generate` with each depth and batch, `repeat` times."""

    prompts: Sequence[int]
    generate: Sequence[int]
    depths: Sequence[int]
    batches: Sequence[int]
    repeat: int


@dataclass(frozen=True, slots=True)
class Measured:
    """What is measured."""

    name: str
    quantisation: str
    decoder: Decoder[Any]


def opened(model: str, mixture: str, threads: int, cache: CacheFormat) -> Measured:
    """A file, a checkpoint's folder, or the name of a shape. Raises ModelFileError."""
    if Path(model).exists() or model not in SHAPES:
        loaded = load_model(Path(model), threads=threads, cache=cache)
        return Measured(loaded.info.id, loaded.info.quantisation, loaded.decoder)
    config, kind = SHAPES[model], MIXTURES[mixture]
    weights = RandomWeights(config, lambda name, shape: stored_type(name, shape[-1], config, kind.base))
    try:
        return Measured(model, f"{kind.name}, random", CpuDecoder(config, weights, threads, cache))
    except BuildError as error:
        raise ModelFileError(f"A shape is measured on the engine's C kernels, and {error}.") from error


def bench(
    model: str, mixture: str, threads: int, cache: CacheFormat, plan: Plan, say: Callable[[str], object]
) -> dict[str, Any]:
    """Measure a model; the JSON document of `engine bench --json`. Raises ModelFileError."""
    begun = time.perf_counter()
    measured = opened(model, mixture, threads, cache)
    loaded = time.perf_counter() - begun
    decoder, config = measured.decoder, measured.decoder.config
    rows = []
    for row in _rows(decoder, plan):
        rows.append(row)
        speed = row["tok_s"]
        say(f"{row['test']:>8} depth {row['depth']:>6} batch {row['batch']:>3}  {speed['median']:8.1f} tok/s"
            f"  ({speed['min']:.1f} to {speed['max']:.1f})")  # fmt: skip
    empty, page = decoder.state_bytes(0), decoder.state_bytes(PAGE)
    return {
        "model": measured.name,
        "shape": f"{config.family}, {len(config.layer_types)} layers, {config.hidden} wide",
        "quant": measured.quantisation,
        "device": "cpu",
        "threads": threads,
        "kernels": dict(decoder.kernels),
        "load_s": round(loaded, 2),
        "rows": rows,
        "peak_rss_bytes": _peak_memory(),
        "peak_device_bytes": 0,
        "state_bytes_per_sequence": empty,
        "kv_bytes_per_token": (page - empty) // PAGE,
    }


def _peak_memory() -> int:
    """The most memory this process has held so far, in bytes; 0 where the system does not tell."""
    if sys.platform == "win32":
        return 0
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _rows(decoder: Decoder[Any], plan: Plan) -> Iterator[dict[str, Any]]:
    for depth in plan.depths:
        room = depth + max([*plan.prompts, *plan.generate])
        before = decoder.new_state(room)
        _read(decoder, before, _tokens(decoder, depth))
        for batch, (kind, run, lengths) in product(
            plan.batches, (("pp", _prompt, plan.prompts), ("tg", _make, plan.generate))
        ):
            for length in lengths:
                seconds = _times(plan.repeat, partial(run, decoder, before, length, batch))
                yield _row(kind, length, depth, batch, seconds)


def _row(kind: str, length: int, depth: int, batch: int, seconds: list[float]) -> dict[str, Any]:
    speeds = [length * batch / second for second in seconds]
    figures = {"median": statistics.median(speeds), "min": min(speeds), "max": max(speeds)}
    return {
        "test": f"{kind}{length}",
        "depth": depth,
        "batch": batch,
        "tok_s": {name: round(value, 2) for name, value in figures.items()},
    }


def _times(repeat: int, run: Callable[[], float]) -> list[float]:
    run()  # the first one touches memory for the first time
    return [run() for _ in range(repeat)]


def _tokens(decoder: Decoder[Any], count: int) -> list[int]:
    return random.Random(SEED).choices(range(decoder.config.vocabulary), k=count)  # noqa: S311 - no secrets


def _read(decoder: Decoder[Any], state: Any, tokens: Sequence[int]) -> None:
    for at in range(0, len(tokens), STEP_TOKENS):
        piece = tokens[at : at + STEP_TOKENS]
        decoder.step([Reading(state, piece, int(at + len(piece) == len(tokens)))])


def _prompt(decoder: Decoder[Any], before: Any, length: int, batch: int) -> float:
    states, tokens = [before.fork() for _ in range(batch)], _tokens(decoder, length)
    begun = time.perf_counter()
    for state in states:
        _read(decoder, state, tokens)
    return time.perf_counter() - begun


def _make(decoder: Decoder[Any], before: Any, length: int, batch: int) -> float:
    states, tokens = [before.fork() for _ in range(batch)], _tokens(decoder, length)
    begun = time.perf_counter()
    for token in tokens:
        decoder.step([Reading(state, [token]) for state in states])
    return time.perf_counter() - begun
