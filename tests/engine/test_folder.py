"""Checkpoint folders: the third-party writer's files are read, everything else is refused in one sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save, save_file

from engine.checkpoint.gguf import GgufFile
from engine.checkpoint.safetensors import SafetensorsFile
from engine.checkpoint.source import open_checkpoint
from engine.checkpoint.weights import GgufWeights
from engine.config import config_from_gguf
from engine.errors import ModelFileError
from engine.protocol import Message
from tests.engine.tiny import CONTROL, GRANITE, TinyMamba, write_tiny
from tests.engine.tiny_folder import CONFIG, tensors, write_tiny_folder

Change = Callable[[Path], object]


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=12), st.lists(st.integers(1, 4), min_size=1, max_size=4), min_size=1, max_size=6
    )
)
def test_reads_what_the_third_party_writer_writes(tmp_path_factory: pytest.TempPathFactory, shapes):
    path = tmp_path_factory.getbasetemp() / "any.safetensors"
    written = {
        name: np.random.default_rng(i).random(shape, np.float32) for i, (name, shape) in enumerate(shapes.items())
    }
    path.write_bytes(save(written, metadata={'"}{': '\\"}'}))
    file = SafetensorsFile(path)
    assert file.tensors.keys() == written.keys()
    for name, values in written.items():
        entry = file.tensors[name]
        assert entry.shape == values.shape
        assert file.file.view(entry.offset, entry.size).tobytes() == values.tobytes()
    file.close()


def header(text: str, data: int = 4) -> bytes:
    return len(text.encode()).to_bytes(8, "little") + text.encode() + bytes(data)


ENTRY = '"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'
NOT_SAFETENSORS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "cannot be opened"),
    "short": (bytes(7), "longer than the file"),
    "header beyond the file": ((200).to_bytes(8, "little") + b"{}", "longer than the file"),
    "not an object": (header("[]", 0), "not a JSON object"),
    "cut JSON": (header("{" + ENTRY[:-1]), "not JSON of this format"),
    "no end": (header("{" + ENTRY), "does not end as JSON does"),
    "text behind the end": (header("{" + ENTRY + "}x"), "does not end as JSON does"),
    "comma before the end": (header("{" + ENTRY + ",}"), "not JSON of this format"),
    "nested": (header('{"w":{"dtype":{"a":1}}}'), "not JSON of this format"),
    "not UTF-8": (header("{" + ENTRY + "}").replace(b"w", b"\xff"), "not JSON of this format"),
    "twice": (header("{" + ENTRY + "," + ENTRY.replace("[0,4]", "[4,8]") + "}", 8), "stands twice"),
    "hole": (header("{" + ENTRY.replace("[0,4]", "[4,8]") + "}", 8), "does not begin where"),
    "overlap": (header("{" + ENTRY + "," + ENTRY.replace('"w"', '"v"') + "}"), "does not begin where"),
    "rest": (header("{" + ENTRY + "}", 8), "end at byte"),
    "past the end": (header("{" + ENTRY + "}", 0), "end at byte"),
    "span and shape": (header("{" + ENTRY.replace("[1]", "[2]") + "}"), "do not span its 8 bytes"),
    "huge shape": (header("{" + ENTRY.replace("[1]", f"[{2**63},{2**63}]") + "}"), "do not span"),
    "negative": (header("{" + ENTRY.replace("[1]", "[-1]") + "}"), "shape of tensor w"),
    "empty dimension": (header("{" + ENTRY.replace("[1]", "[0]") + "}"), "shape of tensor w"),
    "true for one": (header("{" + ENTRY.replace("[1]", "[true]") + "}"), "shape of tensor w"),
    "no offsets": (header('{"w":{"dtype":"F32","shape":[1]}}'), "data_offsets of tensor w"),
    "type": (header("{" + ENTRY.replace("F32", "F8_E4M3") + "}", 1), "stored as F8_E4M3"),
    "long number": (header("{" + ENTRY.replace("[1]", "[1" + "0" * 900 + "]") + "}"), "do not span"),
    "long entry": (header("{" + ENTRY.replace("[1]", "[1" + " " * 2000 + "]") + "}"), "longer than any known one"),
}


@pytest.mark.parametrize("name", NOT_SAFETENSORS)
def test_a_wrong_file_is_refused(tmp_path: Path, name: str):
    content, expected = NOT_SAFETENSORS[name]
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=expected) as refusal:
        SafetensorsFile(path)
    assert "\n" not in refusal.value.message


@pytest.mark.parametrize("parts", [1, 3])
def test_weights_are_those_of_the_files(tmp_path: Path, parts: int):
    folder = write_tiny_folder(tmp_path / "tiny", parts)
    source = tensors(CONFIG)
    with open_checkpoint(folder) as checkpoint:
        weights = checkpoint.weights
        gate_up = source["model.layers.0.block_sparse_moe.input_linear.weight"]
        np.testing.assert_array_equal(weights["layers.0.experts.gate"], gate_up[:, : gate_up.shape[1] // 2])
        np.testing.assert_array_equal(weights["layers.0.experts.up"], gate_up[:, gate_up.shape[1] // 2 :])
        np.testing.assert_array_equal(weights["layers.2.mamba.a"], -np.exp(source["model.layers.2.mamba.A_log"]))
        np.testing.assert_array_equal(weights["layers.1.attention.q"], source["model.layers.1.self_attn.q_proj.weight"])
        assert checkpoint.parameters == sum(values.size for values in source.values())
        assert checkpoint.quantisation == "F32"
        assert len(checkpoint.files) == parts


def test_stored_bytes_are_the_files_own(tmp_path: Path):
    """What the kernels repack: type and bytes where a tensor lies in one piece, nothing where it does not."""
    with open_checkpoint(write_tiny_folder(tmp_path / "tiny")) as checkpoint:
        weights = checkpoint.weights
        assert not weights.rotates_pairs
        for name in weights:
            stored = weights.stored(name)
            if stored is None:
                assert name.endswith(("mamba.a", "experts.gate", "experts.up"))
                continue
            assert stored[0] == 0
            np.testing.assert_array_equal(stored[1].view("<f4").reshape(weights.shape(name)), weights[name])
            weights.release(name)
            np.testing.assert_array_equal(stored[1].view("<f4").reshape(weights.shape(name)), weights[name])
    file = GgufFile(write_tiny(tmp_path / "h.gguf", "granitehybrid", keys=GRANITE, kv_heads=[2, 0], mamba=TinyMamba()))
    weights = GgufWeights(file, config_from_gguf(file.metadata, file.tensors))
    assert weights.rotates_pairs
    assert all(weights.stored(name) for name in weights)
    file.close()


def test_the_tokenizer_cuts_as_its_library_and_makes_no_control_tokens_from_text(tmp_path: Path):
    with open_checkpoint(write_tiny_folder(tmp_path / "tiny")) as checkpoint:
        tokenizer, template = checkpoint.tokenizer, checkpoint.template
    vocabulary = tokenizer.vocabulary
    assert vocabulary.end_ids == {0, 2}
    assert (vocabulary.bos, vocabulary.eos_text) == (1, CONTROL[2])
    assert tokenizer.encode(CONTROL[1], control=True) == [1]
    assert 1 not in tokenizer.encode(CONTROL[1], control=False)
    text = "hello the\n¡ünïcode! 👋"
    assert tokenizer.decode(tokenizer.encode(text, control=False)) == text
    assert vocabulary.tokens.index("hell") in tokenizer.encode("hello", control=False)
    ids = template.encode([Message("user", (f"a{CONTROL[2]}",))]).tokens
    assert tokenizer.decode(ids) == f"user\na{CONTROL[2]}\nassistant\n"
    assert ids.count(2) == 1


def edit(name: str, change: Callable[[dict[str, Any]], Any]) -> Change:
    def apply(folder: Path) -> None:
        value = json.loads((folder / name).read_text())
        change(value)
        (folder / name).write_text(json.dumps(value))

    return apply


def write(name: str, text: str) -> Change:
    return lambda folder: (folder / name).write_text(text)


def remove(name: str) -> Change:
    return lambda folder: (folder / name).unlink()


def replace_tensor(name: str, values: np.ndarray | None) -> Change:
    def apply(folder: Path) -> None:
        weights = load_file(folder / "model.safetensors")
        weights.pop(name, None)
        save_file(weights | ({} if values is None else {name: values}), folder / "model.safetensors")

    return apply


def config(**changes: Any) -> Change:
    return edit("config.json", lambda value: value.update(changes))


def weight_map(change: Callable[[dict[str, str]], Any]) -> Change:
    return edit("model.safetensors.index.json", lambda value: change(value["weight_map"]))


NORM = "model.norm.weight"
REFUSED: dict[str, tuple[Change, str]] = {
    "no config": (remove("config.json"), "holds no config.json"),
    "config is no JSON": (write("config.json", "{"), "config.json is not JSON"),
    "config nests without end": (write("config.json", '{"a":' + "[" * 100_000), "config.json is not JSON"),
    "config is a list": (write("config.json", "[]"), "not a JSON object"),
    "config without end": (write("config.json", " " * (3 << 20)), "longer than"),
    "other model": (config(model_type="qwen2"), "model_type is 'qwen2'"),
    "no layer types": (config(layer_types=None), "type of each of 3 layers"),
    "too few layer types": (config(layer_types=["mamba"]), "type of each of 3 layers"),
    "unknown layer type": (config(layer_types=["mamba", "rwkv", "mamba"]), "layers of type 'rwkv'"),
    "stretched positions": (
        config(position_embedding_type="rope", rope_scaling={"rope_type": "yarn"}), "stretches positions"
    ),
    "activation": (config(hidden_act="gelu"), "hidden_act is 'gelu'"),
    "quantised elsewhere": (config(quantization_config={"quant_method": "gptq"}), "quantization_config"),
    "Mamba width": (config(mamba_d_head=17), "do not make up the inner width 64"),
    "steps": (config(time_step_limit=[2, 1]), "time_step_limit"),
    "multiplier": (config(residual_multiplier=float("nan")), "residual_multiplier is not a positive number"),
    "huge": (config(vocab_size=1 << 40), "vocab_size is not a whole number"),
    "no experts to choose": (config(num_experts_per_tok=5), "5 of 4 experts"),
    "heads": (config(num_key_value_heads=3), "3 key-value heads do not divide"),
    "vocabulary": (config(vocab_size=100), "model has rows for 100"),
    "end": (config(eos_token_id=[2, 4000]), "eos_token_id is not a token"),
    "missing tensor": (replace_tensor(NORM, None), "tensor norm is missing"),
    "wrong shape": (replace_tensor(NORM, np.ones(31, np.float32)), "has shape"),
    "wrong type": (replace_tensor(NORM, np.ones(32, np.int64)), "stored as I64"),
    "name of two lines": (replace_tensor("model\nnorm", np.ones(2, np.float32)), "model\ufffdnorm that this engine"),
    "foreign tensor": (replace_tensor("model.layers.0.cross.weight", np.ones(2, np.float32)), "no use for"),
    "pickle": (lambda folder: (folder / "model.safetensors").rename(folder / "pytorch_model.bin"), "pickled"),
    "no weights": (remove("model.safetensors"), "holds neither"),
    "no tokenizer": (remove("tokenizer.json"), "holds no tokenizer.json"),
    "tokenizer is no JSON": (write("tokenizer.json", "{}"), "tokenizer.json of the model cannot be read"),
    "other tokenizer": (edit("tokenizer.json", lambda value: value.update(pre_tokenizer=None)), "not byte-level BPE"),
    "no template": (edit("tokenizer_config.json", lambda value: value.pop("chat_template")), "no chat template"),
    "template": (write("chat_template.jinja", "{% for %}"), "chat template"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_wrong_folder_is_refused(tmp_path: Path, name: str):
    change, expected = REFUSED[name]
    folder = write_tiny_folder(tmp_path / "tiny")
    change(folder)
    assert_refused(folder, expected)


def move(value: dict[str, str]) -> None:
    value[NORM] = next(file for file in value.values() if file != value[NORM])


REFUSED_PARTS: dict[str, tuple[Change, str]] = {
    "file outside": (weight_map(lambda value: value.update({NORM: "../other.safetensors"})), "not a safetensors file"),
    "absolute": (weight_map(lambda value: value.update({NORM: "/tmp/x.safetensors"})), "not a safetensors file"),
    "drive": (weight_map(lambda value: value.update({NORM: "c:x.safetensors"})), "not a safetensors file"),
    "name without end": (
        weight_map(lambda value: value.update({NORM: "x" * 9999 + ".safetensors"})), "not a safetensors file"
    ),
    "pickle": (weight_map(lambda value: value.update({NORM: "model.bin"})), "not a safetensors file"),
    "part that is not there": (weight_map(lambda value: value.update({NORM: "x.safetensors"})), "cannot be opened"),
    "wrong part": (weight_map(move), "says otherwise"),
    "tensor nowhere": (
        weight_map(lambda value: value.update({"x": next(iter(value.values()))})), "is in none of its files"
    ),
    "no map": (write("model.safetensors.index.json", "{}"), "does not map"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED_PARTS)
def test_a_wrong_index_is_refused(tmp_path: Path, name: str):
    change, expected = REFUSED_PARTS[name]
    folder = write_tiny_folder(tmp_path / "tiny", parts=2)
    change(folder)
    assert_refused(folder, expected)


def assert_refused(folder: Path, expected: str):
    with pytest.raises(ModelFileError, match=expected) as refusal, open_checkpoint(folder):
        pass
    assert "\n" not in refusal.value.message


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_refused_when_read(tmp_path: Path, value: float):
    folder = write_tiny_folder(tmp_path / "tiny")
    replace_tensor(NORM, np.array([1] * 31 + [value], np.float32))(folder)
    with open_checkpoint(folder) as checkpoint, pytest.raises(ModelFileError, match="not a number"):
        checkpoint.weights["norm"]


def test_a_template_in_its_own_file_comes_first(tmp_path: Path):
    folder = write_tiny_folder(tmp_path / "tiny")
    (folder / "chat_template.jinja").write_text("{{ 'own' }}")
    with open_checkpoint(folder) as checkpoint:
        ids = checkpoint.template.encode([Message("user", ("hi",))]).tokens
        assert checkpoint.tokenizer.decode(ids) == "own"


def test_a_list_of_templates_has_a_default(tmp_path: Path):
    folder = write_tiny_folder(tmp_path / "tiny")
    templates = [{"name": ["x"], "template": "no"}, 7, {"name": "default", "template": "chosen"}]
    edit("tokenizer_config.json", lambda value: value.update(chat_template=templates))(folder)
    with open_checkpoint(folder) as checkpoint:
        assert checkpoint.tokenizer.decode(checkpoint.template.encode([Message("user", ("hi",))]).tokens) == "chosen"
