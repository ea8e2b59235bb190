"""`engine selftest`: every kernel of this machine against its reference.

Products of each number format are compared with numpy's in float64 on activations that need no rounding; whole
decoders of each kind of layer with torch's (kernels.reference), once read in a piece and once token by token.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np

from engine.checkpoint.dequantize import F32, FORMATS, TYPE_NAMES, Floats, dequantize
from engine.config import ExpertsConfig, MambaConfig, ModelConfig
from engine.cpu.decoder import CpuDecoder
from engine.random_weights import RandomWeights, random_stored
from engine.reading import Decoder, Reading
from kernels.cpu import library as native

ROWS: Final = 37  # four whole groups and a part of one
COLUMNS: Final = 5  # all numbers of columns that share unpacked weights: four, and one
WIDTH: Final = 512
TOKENS: Final = 150  # more than two pages of keys and values

_BASE: Final = ModelConfig(
    family="granite", hidden=64, intermediate=96, vocabulary=320, layer_types=("attention",) * 2, heads=4, kv_heads=2,
    head_dim=16, context=4096, norm_epsilon=1e-5, rope_base=10_000.0, embedding_multiplier=12.0,
    residual_multiplier=0.22, attention_multiplier=0.25, logits_divisor=0.2,
)  # fmt: skip
_MAMBA: Final = MambaConfig(8, 16, 32, 1, 4, convolution_bias=True, projection_bias=False)
_HYBRID: Final = replace(
    _BASE, family="granitehybrid", layer_types=("mamba", "attention", "mamba"), rope_base=None, mamba=_MAMBA
)
_DECODERS: Final[Mapping[str, ModelConfig]] = {
    "attention with RoPE": _BASE,
    "attention with biases": replace(_BASE, attention_bias=True, mlp_bias=True),
    "Mamba and attention": _HYBRID,
    "Mamba in two groups": replace(_HYBRID, mamba=replace(_MAMBA, groups=2)),
    "mixture of experts": replace(_HYBRID, experts=ExpertsConfig(6, 2, 48)),
}


@dataclass(frozen=True, slots=True)
class Check:
    """`difference` is relative to the largest of the reference's numbers; above `limit` something is wrong."""

    name: str
    difference: float
    limit: float

    @property
    def ok(self) -> bool:
        return self.difference <= self.limit

    def document(self) -> dict[str, Any]:
        return {**asdict(self), "ok": self.ok}


def checks(threads: int) -> Iterator[Check]:
    """One after another, as each is done. Raises BuildError where there are no kernels."""
    model = native.Model(hidden=WIDTH, intermediate=WIDTH, heads=1, kv_heads=1, head_dim=8, state_groups=1)
    context = native.Context(model, COLUMNS, threads)
    try:
        for type_id in sorted(native.FORMATS):
            yield Check(f"product with {TYPE_NAMES[type_id]}", _product(context, type_id), 1e-5)
    finally:
        context.close()
    for name, config in _DECODERS.items():
        yield Check(name, _decoder(config, threads), 1e-5)


def _product(context: native.Context, type_id: int) -> float:
    generator = np.random.default_rng(type_id)
    stored = random_stored(type_id, (ROWS, WIDTH), generator)
    data = np.zeros(native.packed_bytes(type_id, ROWS, WIDTH), np.uint8)
    native.pack(type_id, ROWS, WIDTH, stored, data)
    columns = generator.integers(-127, 128, (COLUMNS, WIDTH)).astype(np.float32)
    columns[:, :: min(FORMATS[type_id].values, 32)] = 127  # each block's largest: its scale is 1, nothing is rounded
    expected = columns.astype(np.float64) @ dequantize(stored, type_id, (ROWS, WIDTH)).T
    return _difference(context.linear(native.matrix(type_id, ROWS, WIDTH, data), columns), expected)


def _decoder(config: ModelConfig, threads: int) -> float:
    from engine.model.decoder import TorchDecoder  # a second to import

    weights = RandomWeights(config, lambda _name, _shape: F32)
    text = np.random.default_rng(1).integers(0, config.vocabulary, TOKENS).tolist()
    expected = _logits(TorchDecoder(config, weights), text, TOKENS)
    decoder = CpuDecoder(config, weights, threads, "f32")
    return max(_difference(_logits(decoder, text, step), expected) for step in (TOKENS, 1))


def _logits(decoder: Decoder[Any], text: Sequence[int], step: int) -> Floats:
    """After each token, (tokens, vocabulary)."""
    state = decoder.new_state(len(text))
    pieces = [text[at : at + step] for at in range(0, len(text), step)]
    return np.concatenate([decoder.step([Reading(state, piece, len(piece))])[0] for piece in pieces])


def _difference(ours: Floats, expected: np.ndarray[Any, Any]) -> float:
    return float(np.abs(ours - expected).max() / np.abs(expected).max())
