"""`engine quantize`: a model with weights of 16 or 32 bits becomes a GGUF file of 8 or about 4.5 bits a weight.

Which tensor gets which format is llama.cpp's choice for the same file type (its llama-quant.cpp), so that files can be
compared: Q8_0, or for Q4_K_M mostly Q4_K, with Q6_K where rounding shows most. Rows that are no whole number of a
format's blocks take the format that llama.cpp falls back to. Norms, routers, convolutions and biases stay float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.checkpoint.dequantize import BF16, F16, F32, FORMATS, TYPE_NAMES, Floats
from engine.checkpoint.folder import MAX_TOKENIZER_BYTES, TOKENIZER, CheckpointFolder
from engine.checkpoint.gguf_keys import model_keys, tokenizer_keys
from engine.checkpoint.gguf_writer import TensorSource, encoded_keys, write_gguf
from engine.checkpoint.names import canonical_rows_to_gguf, expected_shapes, gguf_name, gguf_shape
from engine.checkpoint.source import Checkpoint, open_checkpoint
from engine.config import ModelConfig
from engine.errors import ModelFileError, damaged
from kernels.cpu import library as native

Q5_0, Q8_0, Q4_K, Q6_K = 6, 8, 12, 14  # ggml's type ids

_MATRICES: Final = (
    *("embed", "head", ".attention.q", ".attention.k", ".attention.v", ".attention.o", ".mamba.in", ".mamba.out"),
    *(".mlp.gate", ".mlp.up", ".mlp.down", ".experts.gate", ".experts.up", ".experts.down"),
)
_NARROW: Final = {Q4_K: Q5_0, Q6_K: Q8_0}  # for rows that are no whole number of 256
_REPLACED: Final = ("general.file_type", "general.quantization_version", "general.alignment")
_LARGEST: Final = 65504.0  # of half precision, in which scales are stored
_PIECE: Final = 1 << 22  # numbers rounded at a time by one thread


@dataclass(frozen=True, slots=True)
class Mixture:
    """What most matrices are stored as, and llama.cpp's number for a file of that kind."""

    name: str
    base: int
    file_type: int


MIXTURES: Final = {"q8_0": Mixture("Q8_0", Q8_0, 7), "q4_k_m": Mixture("Q4_K_M", Q4_K, 15)}


def quantize(source: Path, target: Path, mixture: Mixture, threads: int, say: Callable[[str], object]) -> int:
    """Write `source`, a GGUF file or a checkpoint folder, as the new file `target`; its size in bytes.

    One tensor at a time is in memory. Raises ModelFileError where the source cannot be read or its model cannot be
    written, OutputError where the target cannot be; no part of a file is left behind.
    """
    with open_checkpoint(source) as checkpoint, ThreadPoolExecutor(threads, thread_name_prefix="quantize") as pool:
        keys = _keys(checkpoint, source, mixture)
        tensors = [_tensor(checkpoint, name, mixture, pool) for name in expected_shapes(checkpoint.config)]
        return write_gguf(target, keys, _told(tensors, say))


def _keys(checkpoint: Checkpoint, source: Path, mixture: Mixture) -> list[bytes]:
    """A GGUF file's own keys, whatever they say; a folder's config and tokenizer as keys."""
    stored_as = {"general.file_type": np.uint32(mixture.file_type), "general.quantization_version": np.uint32(2)}
    opened = checkpoint.opened
    if not isinstance(opened, CheckpointFolder):
        return [opened.stored_key(key) for key in opened.metadata if key not in _REPLACED] + encoded_keys(stored_as)
    tokenizer = opened.read(TOKENIZER, MAX_TOKENIZER_BYTES)
    if tokenizer is None:  # it was there a moment ago
        raise damaged(f"it holds no {TOKENIZER}")
    vocabulary = tokenizer_keys(tokenizer, checkpoint.tokenizer.vocabulary, checkpoint.template_source)
    return encoded_keys(model_keys(checkpoint.config, source.resolve().name) | stored_as | vocabulary)


def stored_type(name: str, columns: int, config: ModelConfig, base: int) -> int:
    """ggml's type id for the canonical tensor `name`, whose rows are `columns` long."""
    if not name.endswith(_MATRICES):
        return F32
    chosen = Q6_K if base == Q4_K and _shows_most(name, config) else base
    if columns % FORMATS[chosen].values:
        chosen = _NARROW.get(chosen, F16)
    return chosen if columns % FORMATS[chosen].values == 0 else F16


def _shows_most(name: str, config: ModelConfig) -> bool:
    """The output's matrix, and of those that values pass through the first, the last and each third between."""
    if not name.startswith("layers."):
        return name == ("embed" if config.tied else "head")
    _, index, part = name.split(".", 2)
    if part == "attention.v":
        before = config.layer_types[: int(index)].count("attention")
        return _more_bits(before, config.layer_types.count("attention"))
    return part.endswith(".down") and _more_bits(int(index), len(config.layer_types))


def _more_bits(index: int, count: int) -> bool:
    eighth = count // 8
    return index < eighth or index >= 7 * count // 8 or (index - eighth) % 3 == 2


def _tensor(checkpoint: Checkpoint, name: str, mixture: Mixture, pool: ThreadPoolExecutor) -> TensorSource:
    weights, config = checkpoint.weights, checkpoint.config
    if weights.type_id(name) not in (F32, F16, BF16):
        stored_as = TYPE_NAMES[weights.type_id(name)]
        raise ModelFileError(
            f"This model is quantised already (its {name} is {stored_as}); rounding it again would lose more than it "
            "saves: take a file with F32, F16 or BF16 weights."
        )
    shape = gguf_shape(name, weights.shape(name), config)
    type_id = stored_type(name, shape[-1], config, mixture.base)

    def pieces() -> Iterator[NDArray[np.uint8]]:
        values = canonical_rows_to_gguf(name, weights[name], config)
        weights.release(name)
        if type_id != F32 and max(values.max(), -values.min()) > _LARGEST:
            raise damaged(f"tensor {name} holds a number too large for {TYPE_NAMES[type_id]}")
        rows = values.reshape(-1, values.shape[-1])
        step = max(1, _PIECE // rows.shape[1])
        yield from pool.map(partial(_encoded, type_id), [rows[at : at + step] for at in range(0, len(rows), step)])

    return TensorSource(gguf_name(name, config), shape, type_id, pieces)


def _encoded(type_id: int, rows: Floats) -> NDArray[np.uint8]:
    if type_id in (F32, F16):
        return rows.astype("<f4" if type_id == F32 else "<f2").reshape(-1).view(np.uint8)
    layout = FORMATS[type_id]
    out = np.empty(rows.size // layout.values * layout.bytes, np.uint8)
    native.quantize(type_id, np.ascontiguousarray(rows, np.float32), out)
    return out


def _told(tensors: Sequence[TensorSource], say: Callable[[str], object]) -> list[TensorSource]:
    """The same tensors, telling how far the file is with every tenth."""
    whole, written, tenths = sum(tensor.size for tensor in tensors), 0, 0

    def pieces(tensor: TensorSource) -> Iterator[NDArray[np.uint8]]:
        nonlocal written, tenths
        for piece in tensor.pieces():
            yield piece
            written += len(piece)
            if written * 10 // whole > tenths:
                tenths = written * 10 // whole
                say(f"{tenths * 10} % of {whole / 1e6:,.1f} MB")

    return [replace(tensor, pieces=partial(pieces, tensor)) for tensor in tensors]
