"""Every family that is read, on a tiny random model, against llama.cpp on the same file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch

from engine.errors import ModelFileError
from engine.loader import LoadedModel, load_model
from engine.state import SequenceState
from tests.engine.oracle import FLOAT32, llama_cpp_client
from tests.engine.tiny import GRANITE, KV_HEADS, LAYERS, write_tiny

PROMPT = [60, 70, 80, 3, 200, 261, 90, 91, 92, 93]


def log_probabilities(model: LoadedModel, prompt: list[int], chunk: int) -> np.ndarray:
    """Of the token after `prompt`, read `chunk` tokens at a time."""
    state = SequenceState(model.decoder.config, len(prompt))
    for at in range(0, len(prompt), chunk):
        hidden = model.decoder.hidden(torch.tensor(prompt[at : at + chunk]), state)
    return torch.log_softmax(model.decoder.logits(hidden[-1:])[0].double(), -1).numpy()


FAMILIES: dict[str, tuple[str, dict[str, float], bool]] = {
    "llama": ("llama", {}, True),
    "granite": ("granite", dict(GRANITE), True),
    "granite without positions": ("granite", dict(GRANITE), False),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_family_equals_llama_cpp(tmp_path: Path, name: str):
    family, keys, rope = FAMILIES[name]
    path = write_tiny(tmp_path / "tiny.gguf", family, keys=keys, rope=rope)
    model = load_model(path)
    with llama_cpp_client(path, **FLOAT32) as client:
        vocabulary = model.decoder.config.vocabulary
        request = {"prompt": PROMPT, "n_predict": 1, "temperature": 0, "n_probs": vocabulary}
        answer = client.post("/completion", json=request).raise_for_status().json()
    theirs = np.zeros(vocabulary)
    for top in answer["completion_probabilities"][0]["top_logprobs"]:
        theirs[top["id"]] = top["logprob"]
    np.testing.assert_allclose(log_probabilities(model, PROMPT, len(PROMPT)), theirs, atol=1e-3)


@pytest.mark.parametrize("rope", [True, False])
def test_hybrid_of_attention_layers_alone_equals_granite(tmp_path: Path, rope: bool):
    """llama.cpp cannot open such a file (it asserts on its empty Mamba cache), but the shape is the same decoder."""
    granite = load_model(write_tiny(tmp_path / "granite.gguf", "granite", keys=GRANITE, rope=rope))
    kv_heads = [KV_HEADS] * LAYERS
    hybrid = load_model(write_tiny(tmp_path / "h.gguf", "granitehybrid", keys=GRANITE, rope=rope, kv_heads=kv_heads))
    assert hybrid.decoder.config.family == "granitehybrid"
    np.testing.assert_array_equal(log_probabilities(hybrid, PROMPT, 4), log_probabilities(granite, PROMPT, 4))


@pytest.mark.parametrize("chunk", [1, 3, 7])
def test_reading_in_chunks_equals_reading_at_once(tmp_path: Path, chunk: int):
    model = load_model(write_tiny(tmp_path / "tiny.gguf", "granite", keys=GRANITE))
    whole = log_probabilities(model, PROMPT, len(PROMPT))
    np.testing.assert_allclose(log_probabilities(model, PROMPT, chunk), whole, atol=1e-5)


@pytest.mark.parametrize("kind", ["F16", "BF16", "Q8_0", "Q4_0", "Q4_1"])
def test_quantised_weights_equal_the_third_party_dequantiser(tmp_path: Path, kind: str):
    kind_id = gguf.GGMLQuantizationType[kind]
    quantised = load_model(write_tiny(tmp_path / "quantised.gguf", quantise=kind_id))
    reader = gguf.GGUFReader(tmp_path / "quantised.gguf")
    values = {t.name: gguf.dequantize(t.data, t.tensor_type) for t in reader.tensors}
    embed = quantised.decoder.embed.T.numpy()
    np.testing.assert_array_equal(embed, values["token_embd.weight"])
    down = quantised.decoder.layers[1].mlp.down.T.numpy()
    np.testing.assert_array_equal(down, values["blk.1.ffn_down.weight"])
    assert quantised.info.quantisation == kind


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "mamba layers": ({"family": "granitehybrid", "kv_heads": [KV_HEADS, 0]}, "1 of its 2 layers are Mamba layers"),
    "experts": ({"keys": {"expert_count": 8}}, "mixes 8 experts"),
    "architecture": ({"family": "qwen2"}, "architecture is 'qwen2'"),
    "number format": ({"quantise": gguf.GGMLQuantizationType.Q5_0}, "stored as Q5_0"),
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
