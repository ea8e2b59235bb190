"""The C interface of quarry_cpu.h in ctypes; the structs stand there with what each field means."""

from __future__ import annotations

import ctypes
import weakref
from ctypes import POINTER, c_double, c_float, c_int32, c_int64, c_void_p
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from kernels.cpu.build import BuildError, built_library

ABI: Final = 7
GROUP: Final = 8  # rows of a packed matrix that stand beside each other
PAGE: Final = 64  # tokens in a page of keys and values

F32: Final = 0  # ggml's numbers
F16: Final = 1
Q8_0: Final = 8
# ggml's type ids that the kernels multiply with as they are stored.
FORMATS: Final = frozenset({0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 30})

ATTENTION: Final = 0
MAMBA: Final = 1
NO_ROPE: Final = 0
ROPE_PAIRS: Final = 1
ROPE_HALVES: Final = 2

_floats = POINTER(c_float)


class Matrix(ctypes.Structure):
    _fields_ = [
        ("data", c_void_p),
        ("rows", c_int64),
        ("columns", c_int64),
        ("format", c_int32),
        ("reserved", c_int32),
        ("bias", c_void_p),
    ]


class Layer(ctypes.Structure):
    _fields_ = [
        ("kind", c_int32),
        ("index", c_int32),
        ("norm1", c_void_p),
        ("norm2", c_void_p),
        ("q", Matrix),
        ("k", Matrix),
        ("v", Matrix),
        ("o", Matrix),
        ("in_proj", Matrix),
        ("out_proj", Matrix),
        ("conv_weight", c_void_p),
        ("conv_bias", c_void_p),
        ("dt_bias", c_void_p),
        ("a", c_void_p),
        ("d", c_void_p),
        ("gate_norm", c_void_p),
        ("gate_up", Matrix),
        ("down", Matrix),
        ("router", Matrix),
        ("expert_gate_up", Matrix),
        ("expert_down", Matrix),
    ]


class Model(ctypes.Structure):
    _fields_ = [
        *[(name, c_int32) for name in ("hidden", "intermediate", "vocabulary", "layer_count")],
        *[(name, c_int32) for name in ("heads", "kv_heads", "head_dim", "rope")],
        *[(name, c_int32) for name in ("mamba_heads", "mamba_head_dim", "state", "state_groups")],
        *[(name, c_int32) for name in ("experts", "experts_used", "expert_intermediate", "reserved")],
        *[(name, c_int32) for name in ("conv_width", "kv_format")],
        *[(name, c_float) for name in ("epsilon", "embedding_multiplier", "residual_multiplier")],
        *[
            (name, c_float)
            for name in ("attention_multiplier", "logits_divisor", "dt_low", "dt_high", "reserved_float")
        ],
        ("inverse_frequencies", POINTER(c_double)),
        ("norm", c_void_p),
        ("embed", Matrix),
        ("head", Matrix),
        ("layers", POINTER(Layer)),
    ]


class Sequence(ctypes.Structure):
    _fields_ = [
        ("position", c_int32),
        ("start", c_int32),
        ("count", c_int32),
        ("page_capacity", c_int32),
        ("pages", c_void_p),
        ("conv", c_void_p),
        ("ssm", c_void_p),
        ("ssm_before", c_void_p),
    ]


class Batch(ctypes.Structure):
    _fields_ = [
        ("tokens", c_void_p),
        ("sequences", POINTER(Sequence)),
        ("logit_columns", c_void_p),
        ("logits", c_void_p),
        ("columns", c_int32),
        ("sequence_count", c_int32),
        ("logit_count", c_int32),
        ("reserved", c_int32),
    ]


@cache
def library() -> ctypes.CDLL:
    """The loaded library, built first where it has to be. Raises BuildError."""
    return load(built_library())


def load(path: Path) -> ctypes.CDLL:
    """Load a library and declare what it offers. Raises BuildError where this process or processor cannot use it."""
    try:
        loaded = ctypes.CDLL(str(path))
    except OSError as error:
        raise BuildError(f"{path.name} cannot be loaded ({error})") from error
    signatures: dict[str, tuple[Any, list[Any]]] = {
        "qc_abi": (c_int32, []),
        "qc_supported": (c_int32, []),
        "qc_packed_bytes": (c_int64, [c_int32, c_int64, c_int64]),
        "qc_pack": (None, [c_int32, c_int64, c_int64, c_void_p, c_void_p, c_int64, c_int64, c_int32]),
        "qc_unpack_row": (None, [POINTER(Matrix), c_int64, c_void_p]),
        "qc_quantize": (c_int64, [c_int32, c_int64, c_void_p, c_void_p]),
        "qc_page_bytes": (c_int64, [POINTER(Model)]),
        "qc_open": (c_void_p, [POINTER(Model), c_int32, c_int32]),
        "qc_close": (None, [c_void_p]),
        "qc_step": (None, [c_void_p, POINTER(Batch)]),
        "qc_linear": (None, [c_void_p, POINTER(Matrix), c_void_p, c_int32, c_void_p]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(loaded, name)
        function.restype, function.argtypes = result, arguments
    if loaded.qc_abi() != ABI:
        raise BuildError(f"{path.name} is of another version")
    if not loaded.qc_supported():
        raise BuildError("this processor lacks AVX2 or FMA")
    return loaded


def packed_bytes(format_id: int, rows: int, columns: int) -> int:
    """Bytes of a packed matrix; 0 where its format or its width is not one of the kernels'."""
    return int(library().qc_packed_bytes(format_id, rows, columns))


def pack(
    format_id: int, rows: int, columns: int, source: NDArray[np.uint8], target: NDArray[np.uint8], *, spread: int = 1
) -> None:
    """Pack a stored matrix (rows of blocks, as in a GGUF file) into `target`.

    With `spread` 2 every other group of eight rows is left free, for a second matrix packed from one group on.
    """
    library().qc_pack(format_id, rows, columns, source.ctypes.data, target.ctypes.data, 0, rows, spread)


def matrix(
    format_id: int, rows: int, columns: int, data: NDArray[np.uint8], bias: NDArray[np.float32] | None = None
) -> Matrix:
    """A packed matrix; the caller keeps `data` and `bias`, which fills whole groups."""
    return Matrix(data.ctypes.data, rows, columns, format_id, 0, None if bias is None else bias.ctypes.data)


def unpack_row(packed: Matrix, row: int) -> NDArray[np.float32]:
    out = np.empty(packed.columns, np.float32)
    library().qc_unpack_row(ctypes.byref(packed), row, out.ctypes.data)
    return out


def quantize(format_id: int, values: NDArray[np.float32], out: NDArray[np.uint8]) -> None:
    """Round contiguous numbers to the stored blocks of Q8_0, Q5_0, Q4_K or Q6_K, which fill `out`.

    The numbers are finite and none is beyond a half's range. Raises ValueError where that is no whole number of blocks.
    """
    written = library().qc_quantize(format_id, values.size, values.ctypes.data, out.ctypes.data)
    if not written or written != out.size:
        raise ValueError(f"{values.size} numbers are not {out.size} bytes of format {format_id}")


class Context:
    """Threads and scratch memory for one model's steps of up to `max_columns` tokens; `close()` frees them.

    Raises MemoryError.
    """

    def __init__(self, model: Model, max_columns: int, threads: int) -> None:
        self.max_columns = max_columns
        self._library = library()
        self._handle = self._library.qc_open(ctypes.byref(model), max_columns, threads)
        if not self._handle:
            raise MemoryError("there is no memory for the engine's scratch buffers")
        self._model = model  # read in every step
        self.close = weakref.finalize(self, self._library.qc_close, self._handle)

    def step(self, batch: Batch) -> None:
        self._library.qc_step(self._handle, ctypes.byref(batch))

    def linear(self, packed: Matrix, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Columns (n, columns) times a packed matrix: (n, rows)."""
        out = np.empty((len(inputs), -(-packed.rows // GROUP) * GROUP), np.float32)
        self._library.qc_linear(self._handle, ctypes.byref(packed), inputs.ctypes.data, len(inputs), out.ctypes.data)
        return out[:, : packed.rows]
