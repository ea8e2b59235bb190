"""From a checkpoint's tensors to the packed model that kernels/cpu reads."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from math import prod
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from engine.checkpoint.dequantize import Floats, dequantize
from engine.checkpoint.weights import Weights
from engine.config import ModelConfig
from kernels.cpu import library as native

Bytes = NDArray[np.uint8]
CacheFormat = Literal["f16", "q8_0", "f32"]

_ALIGNMENT: Final = 64
_CACHE_IDS: Final[Mapping[CacheFormat, int]] = {"f16": native.F16, "q8_0": native.Q8_0, "f32": native.F32}


def why_not(config: ModelConfig) -> str | None:
    """What of this model the kernels cannot compute; None where they can."""
    widths = [config.hidden, config.intermediate, config.head_dim]
    if config.mamba:
        widths += [config.mamba.head_dim, config.mamba.channels, config.mamba.inner // config.mamba.groups]
    if config.experts:
        widths.append(config.experts.intermediate)
    if any(width % native.GROUP for width in widths):
        return f"a width is not a multiple of {native.GROUP}"
    if config.head_dim > 1024:
        return "its heads are wider than 1024"
    return None


class PackedModel:
    """`model` for the kernels, and the memory behind it. Raises ModelFileError where a tensor cannot be read."""

    def __init__(self, config: ModelConfig, tensors: Weights, threads: int, cache: CacheFormat = "f16") -> None:
        self._tensors = tensors
        self._kept: list[NDArray[np.generic]] = []
        with ThreadPoolExecutor(threads, thread_name_prefix="pack") as pool:
            embed = pool.submit(self._matrix, "embed")
            layers = list(pool.map(lambda index: self._layer(config, index), range(len(config.layer_types))))
            head = pool.submit(self._matrix, "head") if "head" in tensors else embed
        self._layers = (native.Layer * len(layers))(*layers)
        self.model = self._model(config, embed.result(), head.result())
        self.model.kv_format = _CACHE_IDS[cache]

    def _model(self, config: ModelConfig, embed: native.Matrix, head: native.Matrix) -> native.Model:
        model = native.Model(
            hidden=config.hidden,
            intermediate=config.intermediate,
            vocabulary=config.vocabulary,
            layer_count=len(config.layer_types),
            heads=config.heads,
            kv_heads=config.kv_heads,
            head_dim=config.head_dim,
            rope=native.NO_ROPE,
            epsilon=config.norm_epsilon,
            embedding_multiplier=config.embedding_multiplier,
            residual_multiplier=config.residual_multiplier,
            attention_multiplier=config.attention_multiplier,
            logits_divisor=config.logits_divisor,
            norm=self._floats("norm"),
            embed=embed,
            head=head,
            layers=self._layers,
        )
        if config.rope_base is not None:
            exponents = np.arange(0, config.head_dim, 2, dtype=np.float64) / config.head_dim
            frequencies = config.rope_base**-exponents
            self._kept.append(frequencies)
            model.rope = native.ROPE_PAIRS if self._tensors.rotates_pairs else native.ROPE_HALVES
            model.inverse_frequencies = frequencies.ctypes.data_as(ctypes.POINTER(ctypes.c_double))
        if experts := config.experts:
            model.experts, model.experts_used = experts.count, experts.used
            model.expert_intermediate = experts.intermediate
        model.state_groups = 1
        if mamba := config.mamba:
            model.mamba_heads, model.mamba_head_dim = mamba.heads, mamba.head_dim
            model.state, model.state_groups, model.conv_width = mamba.state, mamba.groups, mamba.convolution
            model.dt_low, model.dt_high = mamba.time_step_limit
        return model

    def _layer(self, config: ModelConfig, index: int) -> native.Layer:
        def name(part: str) -> str:
            return f"layers.{index}.{part}"

        kind = config.layer_types[index]
        layer = native.Layer(
            index=config.layer_types[:index].count(kind),
            norm1=self._floats(name("norm1")),
            norm2=self._floats(name("norm2")),
        )
        if config.intermediate:
            layer.gate_up = self._matrix(name("mlp.gate"), name("mlp.up"))
            layer.down = self._matrix(name("mlp.down"))
        if config.experts:
            layer.router = self._matrix(name("experts.router"))
            layer.expert_gate_up = self._matrix(name("experts.gate"), name("experts.up"))
            layer.expert_down = self._matrix(name("experts.down"))
        if kind == "mamba":
            layer.kind = native.MAMBA
            layer.in_proj, layer.out_proj = self._matrix(name("mamba.in")), self._matrix(name("mamba.out"))
            layer.conv_weight = self._floats(name("mamba.conv"), np.transpose)
            layer.conv_bias = (
                self._floats(name("mamba.conv_bias")) if name("mamba.conv_bias") in self._tensors else None
            )
            layer.dt_bias, layer.a, layer.d = (self._floats(name(f"mamba.{part}")) for part in ("dt_bias", "a", "d"))
            layer.gate_norm = self._floats(name("mamba.norm"))
        else:
            layer.kind = native.ATTENTION
            layer.q, layer.k, layer.v, layer.o = (self._matrix(name(f"attention.{part}")) for part in "qkvo")
        return layer

    def _floats(self, name: str, turn: Callable[[Floats], Floats] = lambda values: values) -> int:
        values = np.ascontiguousarray(turn(self._tensors[name]), dtype=np.float32)
        self._kept.append(values)
        return int(values.ctypes.data)

    def _matrix(self, *names: str) -> native.Matrix:
        """One matrix, or two of equal shape with their groups in turn, with their biases where they have them."""
        sources = [self._source(name) for name in names]
        if len({format_id for format_id, *_ in sources}) > 1:
            sources = [self._as_floats(name) for name in names]
        format_id, rows, columns, _ = sources[0]
        size = native.packed_bytes(format_id, rows, columns)
        group = size // (-(-rows // native.GROUP))
        data = _aligned(size * len(names))
        for at, (_, _, _, stored) in enumerate(sources):
            native.pack(format_id, rows, columns, stored, data[at * group :], spread=len(names))
        del sources
        for name in names:
            self._tensors.release(name)
        self._kept.append(data)
        return native.matrix(format_id, rows * len(names), columns, data, self._bias(*names))

    def _bias(self, *names: str) -> NDArray[np.float32] | None:
        """As the rows of the matrix stand: whole groups, those of two matrices in turn."""
        if f"{names[0]}_bias" not in self._tensors:
            return None
        groups = []
        for name in names:
            values = self._as_floats(f"{name}_bias")[-1].view(np.float32)
            groups.append(np.pad(values, (0, -len(values) % native.GROUP)).reshape(-1, native.GROUP))
        bias = np.stack(groups, axis=1)
        self._kept.append(bias)
        return bias

    def _source(self, name: str) -> tuple[int, int, int, Bytes]:
        """Format, rows, columns and bytes: as stored where the kernels read that, else as float32."""
        if (stored := self._tensors.stored(name)) is not None:
            (format_id, data), (rows, columns) = stored, self._extent(name)
            if format_id in native.FORMATS and native.packed_bytes(format_id, rows, columns):
                return format_id, rows, columns, data
        return self._as_floats(name)

    def _as_floats(self, name: str) -> tuple[int, int, int, Bytes]:
        """In stored row order, as its neighbours are."""
        stored, (rows, columns) = self._tensors.stored(name), self._extent(name)
        values = self._tensors[name] if stored is None else dequantize(stored[1], stored[0], (rows, columns))
        return native.F32, rows, columns, np.ascontiguousarray(values).reshape(-1).view(np.uint8)

    def _extent(self, name: str) -> tuple[int, int]:
        """Rows and columns; those of all experts stand one below the other."""
        *rows, columns = self._tensors.shape(name)
        return prod(rows), columns


def _aligned(size: int) -> Bytes:
    """Memory that begins at a cache line."""
    memory = np.empty(size + _ALIGNMENT, np.uint8)
    first = -memory.ctypes.data % _ALIGNMENT
    return memory[first : first + size]
