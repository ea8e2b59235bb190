"""`engine quantize`: llama.cpp opens what is written and computes with it what this engine does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from engine.checkpoint.dequantize import TYPE_NAMES
from engine.checkpoint.source import open_checkpoint
from engine.loader import LoadedModel, load_model
from engine.quantize import MIXTURES, Q4_K, Q6_K, Q8_0, quantize, stored_type
from engine.reading import Reading
from tests.engine.oracle import FLOAT32, divergence, llama_cpp_client, their_log_probabilities
from tests.engine.tiny import VOCABULARY, write_tiny
from tests.engine.tiny_folder import write_tiny_folder

# Wide enough for blocks of 256, but for the shared part's down projection beside experts (96 wide: blocks of 32).
WIDE: dict[str, Any] = {
    "hidden_size": 256,
    "intermediate_size": 256,
    "shared_intermediate_size": 96,
    "mamba_n_heads": 8,
    "mamba_d_head": 64,
    "mamba_d_state": 16,
    "attention_multiplier": 0.125,
}
NO_EXPERTS = {"num_local_experts": 0, "num_experts_per_tok": 0, "shared_intermediate_size": 512}
FOLDERS: dict[str, dict[str, Any]] = {
    "hybrid": WIDE | NO_EXPERTS,
    "hybrid with experts": WIDE,
    "dense": WIDE | NO_EXPERTS | {"layer_types": ["attention"] * 3, "position_embedding_type": "rope"},
    "llama": WIDE | NO_EXPERTS | {"model_type": "llama", "layer_types": ["attention"] * 3, "intermediate_size": 512},
    "granite": WIDE
    | NO_EXPERTS
    | {"model_type": "granite", "layer_types": ["attention"] * 3, "intermediate_size": 512},
    "experts": WIDE | {"layer_types": ["attention"] * 3, "position_embedding_type": "rope"},
}
PROMPT = [60, 70, 80, 3, 200, 261, 90, 91, 92, 93, 5, 6, 7, 60, 70, 80, 3, 200, 9]


def silent(_line: str) -> None:
    pass


def write_folder(folder: Path, **changes: Any) -> Path:
    """A checkpoint whose weights have ordinary sizes."""
    write_tiny_folder(folder, **changes)
    weights = load_file(folder / "model.safetensors")
    if changes.get("model_type") in ("llama", "granite"):
        weights = dict(_as_dense_models_name_it(weights))
    for name, values in weights.items():
        if values.ndim > 1 and "conv1d" not in name:
            weights[name] = values * np.float32(1 / np.sqrt(values.shape[-1]))
        elif name.endswith(("norm.weight", "layernorm.weight", ".D")):
            weights[name] = 1 + 0.1 * values
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def _as_dense_models_name_it(weights: dict[str, np.ndarray]) -> Iterator[tuple[str, np.ndarray]]:
    for name, values in weights.items():
        layer, dense, part = name.partition("shared_mlp.")
        if not dense:
            yield name, values
        elif part == "output_linear.weight":
            yield f"{layer}mlp.down_proj.weight", values
        else:
            for half, half_values in zip(("gate", "up"), np.split(values, 2), strict=True):
                yield f"{layer}mlp.{half}_proj.weight", half_values


def log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits.astype(np.float64) - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def read(model: LoadedModel, tokens: list[int]) -> np.ndarray:
    """Log-probabilities after each of the tokens."""
    [logits] = model.decoder.step([Reading(model.decoder.new_state(len(tokens)), tokens, len(tokens))])
    return log_softmax(logits)


LETTER = {"logit_bias": [[100, 1000]]}  # llama.cpp tells no probabilities where it answers half a character


@pytest.mark.parametrize("kind", MIXTURES)
@pytest.mark.parametrize("name", FOLDERS)
def test_llama_cpp_computes_the_same_from_what_is_written(tmp_path: Path, name: str, kind: str):
    source = write_folder(tmp_path / "model", **FOLDERS[name])
    target = tmp_path / "model.gguf"
    assert quantize(source, target, MIXTURES[kind], 2, silent) == target.stat().st_size
    model = load_model(target, threads=1, cache="f32")
    assert model.decoder.kernels == {"step": "cpu"}
    ours, whole = read(model, PROMPT), read(load_model(source, threads=1, cache="f32"), PROMPT)
    assert divergence(whole, ours) < {"q8_0": 1e-3, "q4_k_m": 0.05}[kind]
    with llama_cpp_client(target, **FLOAT32) as client:
        for length in (1, 7, len(PROMPT)):
            theirs = their_log_probabilities(client, PROMPT[:length], VOCABULARY, **LETTER)
            # Equal to six digits, until one activation of thousands is rounded to the other side.
            assert divergence(theirs, ours[length - 1]) < 1e-3


@pytest.mark.parametrize("name", FOLDERS)
def test_the_shape_stays(tmp_path: Path, name: str):
    """Every number of the config, as float32 holds it."""
    changes = {"rms_norm_eps": 1e-6, "max_position_embeddings": 300, "rope_theta": 1e6, "head_dim": 64}
    if name.startswith("hybrid"):
        changes["mamba_n_groups"] = 2
    source = write_folder(tmp_path / "model", **FOLDERS[name] | changes)
    quantize(source, tmp_path / "out.gguf", MIXTURES["q8_0"], 1, silent)
    with open_checkpoint(source) as before, open_checkpoint(tmp_path / "out.gguf") as after:
        expected, found = asdict(before.config), asdict(after.config)
    family = {"dense": "granite", "experts": "granitemoe"}.get(name, expected["family"])
    assert found == expected | {
        "family": family,
        **{key: float(np.float32(value)) for key, value in expected.items() if isinstance(value, float)},
    }


@pytest.mark.parametrize("family", ["llama", "granite"])
def test_from_a_gguf_file_all_else_stays(tmp_path: Path, family: str):
    """Keys with their types, names and order of rows; Q8_0 is what the third-party package makes of the weights."""
    source = write_tiny(
        tmp_path / "source.gguf", family, tied=False, bias=True, quantise=gguf.GGMLQuantizationType.BF16
    )
    quantize(source, tmp_path / "out.gguf", MIXTURES["q8_0"], 1, silent)
    before, after = gguf.GGUFReader(source), gguf.GGUFReader(tmp_path / "out.gguf")
    new = {
        "general.file_type": 7,
        "general.quantization_version": 2,
        "GGUF.kv_count": before.fields["GGUF.kv_count"].contents() + 2,
    }
    told = {key: (field.types, field.contents()) for key, field in before.fields.items() if key not in new}
    assert {key: (field.types, field.contents()) for key, field in after.fields.items() if key not in new} == told
    assert {key: after.fields[key].contents() for key in new} == new
    tensors = {tensor.name: tensor for tensor in before.tensors}
    assert {tensor.name for tensor in after.tensors} == tensors.keys()
    for tensor in after.tensors:
        values = gguf.dequantize(tensors[tensor.name].data, tensors[tensor.name].tensor_type)
        kept = values.ndim == 1
        expected = values if kept else gguf.quantize(values, gguf.GGMLQuantizationType.Q8_0)
        assert tensor.tensor_type == (gguf.GGMLQuantizationType.F32 if kept else gguf.GGMLQuantizationType.Q8_0)
        np.testing.assert_array_equal(tensor.data, expected, tensor.name)


def test_q4_k_m_is_llama_cpp_s_mixture(tmp_path: Path):
    """The types that llama-quantize gives twelve layers of a hybrid (written down from its output)."""
    layers = ["mamba", "mamba", "attention"] * 4
    folder = write_tiny_folder(tmp_path, layer_types=layers, num_hidden_layers=12)
    with open_checkpoint(folder) as checkpoint:
        config = checkpoint.config

    def types(part: str, layers: range, base: int = Q4_K) -> list[int]:
        return [i for i in layers if stored_type(f"layers.{i}.{part}", 1024, config, base) == Q6_K]

    for down in ("mlp.down", "experts.down"):
        assert types(down, range(12)) == [0, 3, 6, 9, 10, 11]
    assert types("attention.v", range(2, 12, 3)) == [8, 11]
    for part in ("mlp.up", "experts.gate", "mamba.in", "attention.k", "attention.o"):
        assert types(part, range(12)) == []
    assert types("mlp.down", range(12), Q8_0) == []
    assert stored_type("embed", 1024, config, Q4_K) == Q6_K
    assert stored_type("embed", 1024, config, Q8_0) == Q8_0
    for kept in ("layers.0.norm1", "layers.0.experts.router", "layers.0.mamba.conv", "layers.2.attention.q_bias"):
        assert TYPE_NAMES[stored_type(kept, 1024, config, Q4_K)] == "F32"
    narrow = {"mlp.up": ("Q5_0", "F16"), "mlp.down": ("Q8_0", "F16"), "mamba.out": ("Q5_0", "F16")}
    for part, names in narrow.items():
        assert tuple(TYPE_NAMES[stored_type(f"layers.0.{part}", width, config, Q4_K)] for width in (96, 40)) == names
    assert TYPE_NAMES[stored_type("layers.0.mlp.up", 40, config, Q8_0)] == "F16"


def test_a_head_of_its_own_shows_most(tmp_path: Path):
    with open_checkpoint(write_tiny(tmp_path / "tiny.gguf", tied=False)) as checkpoint:
        kinds = [stored_type(name, 256, checkpoint.config, Q4_K) for name in ("embed", "head")]
    assert kinds == [Q4_K, Q6_K]
