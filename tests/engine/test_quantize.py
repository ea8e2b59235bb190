"""`engine quantize`: llama.cpp opens what is written and computes with it what this engine does."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gguf
import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file
from tokenizers import AddedToken, Regex, Tokenizer, normalizers, pre_tokenizers

from engine.checkpoint.dequantize import TYPE_NAMES
from engine.checkpoint.gguf import GgufFile
from engine.checkpoint.gguf_writer import TensorSource, Value, encoded_keys, write_gguf
from engine.checkpoint.source import open_checkpoint
from engine.errors import ModelFileError, OutputError
from engine.loader import LoadedModel, load_model
from engine.protocol import Message
from engine.quantize import MIXTURES, Q4_K, Q6_K, Q8_0, quantize, stored_type
from engine.reading import Reading
from engine.tokenizer import PRE_TOKENIZERS
from tests.engine.oracle import FLOAT32, llama_cpp_client
from tests.engine.tiny import VOCABULARY, write_tiny
from tests.engine.tiny_folder import CONFIG, write_tiny_folder
from tests.requirements import ROOT

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


def divergence(expected: np.ndarray, found: np.ndarray) -> float:
    """The mean of Kullback and Leibler's, in nats, of log-probabilities (..., vocabulary)."""
    return float((np.exp(expected) * (expected - found)).sum(-1).mean())


def their_log_probabilities(client: httpx.Client, prompt: list[int]) -> np.ndarray:
    """Of the token after `prompt`; the bias makes a letter of it, since half a character has no probabilities."""
    request = {"prompt": prompt, "n_predict": 1, "temperature": 0, "n_probs": VOCABULARY, "logit_bias": [[100, 1000]]}
    answer = client.post("/completion", json=request).raise_for_status().json()
    found = np.zeros(VOCABULARY)
    for top in answer["completion_probabilities"][0]["top_logprobs"]:
        found[top["id"]] = top["logprob"]
    return found


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
            theirs = their_log_probabilities(client, PROMPT[:length])
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


# -- the tokenizer ----------------------------------------------------------------------------------------------------

HUGGING_FACE = {  # as published tokenizer.json files spell the rules
    "gpt-2": pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
    "smollm": pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    ),
    "dbrx": pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PRE_TOKENIZERS["dbrx"][0]), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    ),
}


def change_tokenizer(folder: Path, change: Callable[[Tokenizer], object]) -> Path:
    path = folder / "tokenizer.json"
    tokenizer = Tokenizer.from_file(str(path))
    change(tokenizer)
    tokenizer.save(str(path))
    return folder


def set_rules(name: str) -> Callable[[Tokenizer], object]:
    def change(tokenizer: Tokenizer) -> None:
        tokenizer.pre_tokenizer = HUGGING_FACE["dbrx" if name == "llama-bpe" else name]
        tokenizer.model.ignore_merges = name == "llama-bpe"
        tokenizer.add_tokens([AddedToken("<tool>", special=False)])
        tokenizer.add_special_tokens([AddedToken("<|extra|>", special=True)])

    return change


@pytest.fixture(scope="module", params=sorted(PRE_TOKENIZERS))
def both(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[LoadedModel, LoadedModel, str]:
    """A folder with added tokens and rows without tokens, and what is written from it."""
    folder = tmp_path_factory.mktemp("tokenizer")
    source = change_tokenizer(write_tiny_folder(folder / "model", vocab_size=VOCABULARY + 6), set_rules(request.param))
    quantize(source, folder / "out.gguf", MIXTURES["q8_0"], 1, silent)
    return load_model(source, threads=1), load_model(folder / "out.gguf", threads=1), request.param


def test_vocabulary_and_template_stay(both: tuple[LoadedModel, LoadedModel, str]):
    source, written, rules = both
    ours, theirs = source.tokenizer.vocabulary, written.tokenizer.vocabulary
    assert theirs.pre == rules
    assert theirs.tokens[:-4] == ours.tokens[:-4]
    assert (theirs.kinds, theirs.end_ids, theirs.bos, theirs.add_bos) == (
        ours.kinds,
        ours.end_ids,
        ours.bos,
        ours.add_bos,
    )
    assert (theirs.bos_text, theirs.eos_text) == (ours.bos_text, ours.eos_text)
    messages = [Message("user", ("Hello",))]
    assert written.template.encode(messages).tokens == source.template.encode(messages).tokens


@given(st.text(max_size=80) | st.text("aA12 '\nst.<|extra|><tool>hel", max_size=80), st.booleans())
def test_text_becomes_the_same_tokens(both: tuple[LoadedModel, LoadedModel, str], text: str, control: bool):
    source, written, _ = both
    assert written.tokenizer.encode(text, control=control) == source.tokenizer.encode(text, control=control)


def split_at_spaces(tokenizer: Tokenizer) -> None:
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(" ", "isolated"), byte_level])


def normalise(tokenizer: Tokenizer) -> None:
    tokenizer.normalizer = normalizers.NFC()


UNKNOWN: dict[str, tuple[Callable[[Tokenizer], object], str]] = {
    "rules": (split_at_spaces, "cuts text by other rules than gpt-2"),
    "normaliser": (normalise, "changes the text before"),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_tokenizer_without_a_name_is_refused(tmp_path: Path, name: str):
    change, message = UNKNOWN[name]
    source = change_tokenizer(write_tiny_folder(tmp_path / "model"), change)
    with pytest.raises(ModelFileError, match=message):
        quantize(source, tmp_path / "out.gguf", MIXTURES["q8_0"], 1, silent)


# -- what goes wrong leaves nothing -----------------------------------------------------------------------------------


def put(folder: Path, name: str, change: Callable[[np.ndarray], object]) -> None:
    weights = {key: values.copy() for key, values in load_file(folder / "model.safetensors").items()}
    change(weights[name])
    save_file(weights, folder / "model.safetensors")


def config_with(**changes: Any) -> Callable[[Path], object]:
    return lambda folder: (folder / "config.json").write_text(json.dumps(CONFIG | changes))


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "not a number": (lambda f: put(f, "model.norm.weight", lambda v: v.fill(np.nan)), "not a number"),
    "too large": (
        lambda f: put(f, "model.embed_tokens.weight", lambda v: v.fill(-1e5)),
        "embed holds a number too large",
    ),
    "cut": (lambda f: (f / "model.safetensors").write_bytes((f / "model.safetensors").read_bytes()[:-9]), "damaged"),
    "no tensor for a bias": (config_with(attention_bias=True), "bias is missing"),
    "bounded steps": (config_with(time_step_limit=[0.1, 0.5]), "bound their time steps"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_or_written_is_one_sentence(tmp_path: Path, name: str):
    change, message = REFUSED[name]
    source = write_tiny_folder(tmp_path / "model")
    change(source)
    with pytest.raises(ModelFileError, match=message):
        quantize(source, tmp_path / "out.gguf", MIXTURES["q4_k_m"], 1, silent)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_experts_without_positions_have_no_key(tmp_path: Path):
    """llama.cpp's granitemoe rotates whatever the file says (compared with it in float32)."""
    source = write_tiny_folder(tmp_path / "model", layer_types=["attention"] * 3)
    with pytest.raises(ModelFileError, match="attention layers without positions"):
        quantize(source, tmp_path / "out.gguf", MIXTURES["q8_0"], 1, silent)


def test_a_quantised_model_is_not_rounded_again(tmp_path: Path):
    source = write_tiny(tmp_path / "tiny.gguf", quantise=gguf.GGMLQuantizationType.Q8_0)
    with pytest.raises(ModelFileError, match=r"embed is Q8_0.*take a file with F32"):
        quantize(source, tmp_path / "out.gguf", MIXTURES["q4_k_m"], 1, silent)


def test_what_exists_is_left_as_it_is(tmp_path: Path):
    source = write_tiny(tmp_path / "tiny.gguf")
    before = source.read_bytes()
    with pytest.raises(OutputError, match=r"tiny\.gguf exists"):
        quantize(source, source, MIXTURES["q8_0"], 1, silent)
    assert source.read_bytes() == before
    assert list(tmp_path.iterdir()) == [source]


def test_too_little_room_is_told_before_a_byte_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=1000))
    with pytest.raises(OutputError, match=r"needs 0 MB and 0 MB of the disk are free; nothing was written"):
        quantize(write_tiny(tmp_path / "tiny.gguf"), tmp_path / "out.gguf", MIXTURES["q8_0"], 1, silent)
    assert not list(tmp_path.glob("*out*"))


def test_whoever_stops_it_finds_nothing(tmp_path: Path):
    def stop(_line: str) -> None:
        raise KeyboardInterrupt

    source = write_tiny(tmp_path / "tiny.gguf")
    with pytest.raises(KeyboardInterrupt):
        quantize(source, tmp_path / "out.gguf", MIXTURES["q8_0"], 2, stop)
    assert list(tmp_path.iterdir()) == [source]


FULL = "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000)); "


@pytest.mark.skipif(sys.platform == "win32", reason="Windows limits no file's size")
def test_a_disk_that_fills_up_leaves_nothing(tmp_path: Path):
    """The system refuses the 50,001st byte."""
    source = write_tiny(tmp_path / "tiny.gguf")
    command = [sys.executable, "-c", FULL + "runpy.run_module('engine', run_name='__main__')", "quantize"]
    done = subprocess.run([*command, source, tmp_path / "out.gguf"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    *_, last = done.stderr.splitlines()
    assert last.endswith("out.gguf cannot be written (File too large); nothing of it was kept.")
    assert list(tmp_path.iterdir()) == [source]


def test_the_command(tmp_path: Path):
    source = write_tiny(tmp_path / "tiny.gguf")
    command: list[str | Path] = [sys.executable, "-m", "engine", "quantize"]
    command += [source, tmp_path / "out.gguf", "--type", "q8_0"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-2:] == ["100 % of 0.1 MB", f"{tmp_path / 'out.gguf'}: 0.1 MB of Q8_0"]
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert again.returncode == 2
    assert len(again.stderr.splitlines()) == 1


# -- the writer -------------------------------------------------------------------------------------------------------

NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
VALUES: st.SearchStrategy[Value] = st.one_of(
    st.text(max_size=30),
    st.booleans(),
    st.integers(0, 2**32 - 1).map(np.uint32),
    st.floats(width=32, allow_nan=False).map(np.float32),
    st.lists(st.text(max_size=9), min_size=1, max_size=5),
    st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1, max_size=5).map(lambda values: np.array(values, np.int32)),
)


@given(
    st.dictionaries(NAMES, VALUES, max_size=6),
    st.lists(st.lists(st.integers(1, 5), min_size=1, max_size=4), max_size=4),
)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, keys: dict[str, Value], shapes: list[list[int]]
):
    """By our reader; that it reads what the third-party one reads is tested beside it."""
    path = tmp_path_factory.getbasetemp() / "any.gguf"
    path.unlink(missing_ok=True)
    keys.pop("general.alignment", None)
    arrays = [np.random.default_rng(i).random(shape, np.float32) for i, shape in enumerate(shapes)]
    tensors = [
        TensorSource(f"t{i}", array.shape, 0, lambda array=array: [array.reshape(-1).view(np.uint8)])
        for i, array in enumerate(arrays)
    ]
    write_gguf(path, encoded_keys(keys), tensors)
    file = GgufFile(path)
    assert {
        key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in keys.items()
    } == file.metadata
    for i, array in enumerate(arrays):
        entry = file.tensors[f"t{i}"]
        assert entry.shape == array.shape
        assert file.file.view(entry.offset, entry.size).tobytes() == array.tobytes()
    file.close()


def test_pieces_that_are_too_short_leave_nothing(tmp_path: Path):
    tensor = TensorSource("t", (4,), 0, lambda: [np.zeros(12, np.uint8)])
    with pytest.raises(ValueError, match="12 bytes of tensor t"):
        write_gguf(tmp_path / "short.gguf", [], [tensor])
    assert list(tmp_path.iterdir()) == []
