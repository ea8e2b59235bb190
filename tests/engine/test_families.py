"""Every family that is read, on a tiny random model, against llama.cpp on the same file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from engine.checkpoint.source import open_checkpoint
from engine.errors import ModelFileError
from engine.loader import LoadedModel, load_model
from engine.reading import Reading
from tests.engine.oracle import FLOAT32, divergence, llama_cpp_client, their_log_probabilities
from tests.engine.tiny import (
    GRANITE,
    KV_HEADS,
    LAYERS,
    MERGES,
    VOCABULARY,
    TinyExperts,
    TinyMamba,
    byte_alphabet,
    write_tiny,
)

PROMPT = [60, 70, 80, 3, 200, 261, 90, 91, 92, 93]


def log_probabilities(model: LoadedModel, prompt: list[int], chunk: int) -> np.ndarray:
    """Of the token after `prompt`, read `chunk` tokens at a time."""
    state = model.decoder.new_state(len(prompt))
    for at in range(0, len(prompt), chunk):
        [logits] = model.decoder.step([Reading(state, prompt[at : at + chunk])])
    shifted = logits[0].astype(np.float64) - logits[0].max()
    return shifted - np.log(np.exp(shifted).sum())


HYBRID = {"family": "granitehybrid", "keys": GRANITE, "kv_heads": [0, KV_HEADS, 0], "rope": False}
FAMILIES: dict[str, dict[str, Any]] = {
    "llama": {"family": "llama"},
    "llama with a head of its own": {"family": "llama", "tied": False},
    "llama with biases": {"family": "llama", "bias": True},
    "granite": {"family": "granite", "keys": GRANITE},
    "granite without positions": {"family": "granite", "keys": GRANITE, "rope": False},
    "granitemoe": {"family": "granitemoe", "keys": GRANITE, "experts": TinyExperts(shared=0)},
    "granitemoe with a shared part": {"family": "granitemoe", "keys": GRANITE, "experts": TinyExperts()},
    "hybrid": HYBRID | {"mamba": TinyMamba()},
    "hybrid with positions": HYBRID | {"mamba": TinyMamba(), "rope": True},
    "hybrid with groups": HYBRID | {"mamba": TinyMamba(groups=2)},
    "hybrid with experts": HYBRID | {"mamba": TinyMamba(), "experts": TinyExperts()},
}


@pytest.mark.parametrize("name", FAMILIES)
def test_family_equals_llama_cpp(tmp_path: Path, name: str):
    path = write_tiny(tmp_path / "tiny.gguf", **FAMILIES[name])
    models = load_model(path, cache="f32"), load_model(path, reference=True)
    long = np.random.default_rng(0).integers(3, VOCABULARY, 150).tolist()  # more than two chunks of a scan
    with llama_cpp_client(path, **FLOAT32) as client:
        for prompt in (PROMPT, long):
            theirs = their_log_probabilities(client, prompt, VOCABULARY, **LETTER)
            for model in models:
                np.testing.assert_allclose(log_probabilities(model, prompt, len(prompt)), theirs, atol=1e-3)


# llama.cpp tells no probabilities where it answers a byte that is no character; those it tells are of before the bias.
LETTER = {"logit_bias": [[VOCABULARY - len(MERGES) - 256 + byte_alphabet().index("a"), 1000]]}


@pytest.mark.parametrize("name", ["hybrid with groups", "hybrid with experts"])
def test_a_hybrid_s_distributions_equal_llama_cpp(tmp_path: Path, name: str, scale: int):
    """After every prefix of a random text, as far apart as two orders of adding in float32 are."""
    path = write_tiny(tmp_path / "tiny.gguf", **FAMILIES[name])
    model = load_model(path, cache="f32")
    text = np.random.default_rng().integers(3, VOCABULARY, 50 * scale).tolist()
    prefixes = [text[:length] for length in range(1, len(text) + 1)]
    with llama_cpp_client(path, **FLOAT32) as client:
        theirs = np.stack([their_log_probabilities(client, prefix, VOCABULARY, **LETTER) for prefix in prefixes])
    ours = np.stack([log_probabilities(model, prefix, len(prefix)) for prefix in prefixes])
    assert divergence(theirs, ours) <= 1e-3, text
    assert np.mean(theirs.argmax(-1) == ours.argmax(-1)) >= 0.99, text


@pytest.mark.parametrize("rope", [True, False])
def test_hybrid_of_attention_layers_alone_equals_granite(tmp_path: Path, rope: bool):
    """llama.cpp cannot open such a file (it asserts on its empty Mamba cache), but the shape is the same decoder."""
    granite = load_model(write_tiny(tmp_path / "granite.gguf", "granite", keys=GRANITE, rope=rope), cache="f32")
    kv_heads = [KV_HEADS] * LAYERS
    hybrid = load_model(
        write_tiny(tmp_path / "h.gguf", "granitehybrid", keys=GRANITE, rope=rope, kv_heads=kv_heads), cache="f32"
    )
    assert hybrid.decoder.config.family == "granitehybrid"
    np.testing.assert_array_equal(log_probabilities(hybrid, PROMPT, 4), log_probabilities(granite, PROMPT, 4))


def test_mamba_keys_of_a_dense_model_mean_nothing(tmp_path: Path):
    """The converter copies them from the dense 4.0 checkpoints, with other numbers than the model's."""
    plain = load_model(write_tiny(tmp_path / "plain.gguf", "granite", keys=GRANITE), cache="f32")
    keys = {**GRANITE, "ssm.state_size": 256, "ssm.inner_size": 7, "expert_count": 0}
    inert = load_model(
        write_tiny(tmp_path / "inert.gguf", "granite", keys=keys, kv_heads=[KV_HEADS] * LAYERS), cache="f32"
    )
    assert inert.decoder.config == plain.decoder.config


@pytest.mark.parametrize("chunk", [1, 3, 7])
@pytest.mark.parametrize("name", ["granite", "hybrid with experts"])
def test_reading_in_chunks_equals_reading_at_once(tmp_path: Path, name: str, chunk: int):
    model = load_model(write_tiny(tmp_path / "tiny.gguf", **FAMILIES[name]), cache="f32")
    whole = log_probabilities(model, PROMPT, len(PROMPT))
    np.testing.assert_allclose(log_probabilities(model, PROMPT, chunk), whole, atol=1e-5)


@pytest.mark.parametrize("kind", ["F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"])
def test_quantised_weights_equal_the_third_party_dequantiser(tmp_path: Path, kind: str):
    path = write_tiny(tmp_path / "quantised.gguf", quantise=gguf.GGMLQuantizationType[kind])
    reader = gguf.GGUFReader(path)
    values = {t.name: gguf.dequantize(t.data, t.tensor_type) for t in reader.tensors}
    with open_checkpoint(path) as checkpoint:
        np.testing.assert_array_equal(checkpoint.weights["embed"], values["token_embd.weight"])
        np.testing.assert_array_equal(checkpoint.weights["layers.1.mlp.down"], values["blk.1.ffn_down.weight"])
        assert checkpoint.quantisation == kind


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no Mamba keys": (HYBRID | {"mamba": None}, "ssm.time_step_rank is not a whole"),
    "Mamba layers of another family": (
        {"kv_heads": [KV_HEADS, 0], "mamba": TinyMamba()},
        "llama.attention.head_count_kv is 0",
    ),
    "uneven attention": ({"family": "granite", "kv_heads": [2, 4]}, "differ in their number of key-value heads"),
    "Mamba heads": (HYBRID | {"mamba": TinyMamba(heads=7)}, "7 Mamba heads do not divide"),
    "Mamba groups": (HYBRID | {"mamba": TinyMamba(groups=3)}, "3 groups do not divide its 8 Mamba heads"),
    "experts": ({"keys": {"expert_count": 8}}, "mixes 8 experts"),
    "too many experts": (HYBRID | {"mamba": TinyMamba(), "experts": TinyExperts(used=7)}, "7 of 6 experts"),
    "architecture": ({"family": "qwen2"}, "architecture is 'qwen2'"),
    "number format": ({"quantise": gguf.GGMLQuantizationType.MXFP4}, "stored as MXFP4"),
    "pre-tokeniser": ({"pre": "qwen2"}, "rules 'qwen2'"),
    "no chat template": ({"template": None}, "no chat template"),
    "broken chat template": ({"template": "{% for %}"}, "chat template"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_run_is_refused_in_one_sentence(tmp_path: Path, name: str):
    settings, expected = REFUSED[name]
    path = write_tiny(tmp_path / "tiny.gguf", **settings)
    with pytest.raises(ModelFileError, match=expected) as refusal:
        load_model(path)
    assert "\n" not in refusal.value.message
