"""A model's shape and vocabulary as the keys of a GGUF file: the inverse of engine.config and engine.tokenizer.

Key names: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md and what llama.cpp reads for each architecture.
"""

from __future__ import annotations

import json
import math
from typing import Any, Final

import numpy as np
from tokenizers import Regex, Tokenizer, pre_tokenizers
from tokenizers.pre_tokenizers import PreTokenizer

from engine.checkpoint.gguf_writer import Value
from engine.config import ModelConfig
from engine.errors import ModelFileError, damaged
from engine.tokenizer import CONTROL, END_OF_TURN_NAMES, PRE_TOKENIZERS, UNUSED, Vocabulary

# Every way of cutting text that a rule may know: digits, contractions, spaces and line ends, scripts, marks, symbols.
_PROBE: Final = (
    "Hello, world! It's we're I'LL don't DON'T 've  leading   inner \t\ttabs\n\n\nlines \r\n end  .\n!?\n"
    " 1 22 333 4444 1234567 3.14159 ٣٤٥ ½ Ⅷ 一二三 x2y3 日本語のテキストと中文，混在。 👩‍👩‍👧‍👦 🇩🇪 e\u0301 é naïve "
    "مرحبا नमस्ते \u200bzero\u200d \u00a0nbsp\u3000wide\u2028line def f(x):\n\treturn x**2  # _a_b__ <|x|> ---...   "
)


def model_keys(config: ModelConfig, name: str) -> dict[str, Value]:
    """What a file says of the shape. Raises ModelFileError for a shape that such a file cannot express."""
    mamba = config.mamba
    family = _architecture(config)
    if mamba and mamba.time_step_limit != (0.0, math.inf):
        raise _no_key("its Mamba layers bound their time steps")
    if mamba and mamba.projection_bias:
        raise _no_key("its Mamba projections have biases")
    if family == "granitemoe" and config.rope_base is None:  # llama.cpp rotates there whatever the file says
        raise _no_key("its experts stand between attention layers without positions")
    kv_heads = [config.kv_heads if kind == "attention" else 0 for kind in config.layer_types]
    width = config.experts.intermediate if config.experts else config.intermediate
    keys: dict[str, Value] = {
        "block_count": np.uint32(len(config.layer_types)),
        "context_length": np.uint32(config.context),
        "embedding_length": np.uint32(config.hidden),
        "feed_forward_length": np.uint32(width),
        "vocab_size": np.uint32(config.vocabulary),
        "attention.head_count": np.uint32(config.heads),
        "attention.head_count_kv": np.array(kv_heads, np.int32) if mamba else np.uint32(config.kv_heads),
        "attention.key_length": np.uint32(config.head_dim),
        "attention.value_length": np.uint32(config.head_dim),
        "attention.layer_norm_rms_epsilon": np.float32(config.norm_epsilon),
        "rope.dimension_count": np.uint32(config.head_dim),
    }
    if config.rope_base is not None:
        keys["rope.freq_base"] = np.float32(config.rope_base)
    else:
        keys["rope.scaling.finetuned"] = False  # for Granite: nothing is rotated
    if family != "llama":
        keys["attention.scale"] = np.float32(config.attention_multiplier)
        keys["embedding_scale"] = np.float32(config.embedding_multiplier)
        keys["residual_scale"] = np.float32(config.residual_multiplier)
        keys["logit_scale"] = np.float32(config.logits_divisor)
    if mamba:
        keys["ssm.conv_kernel"] = np.uint32(mamba.convolution)
        keys["ssm.inner_size"] = np.uint32(mamba.inner)
        keys["ssm.state_size"] = np.uint32(mamba.state)
        keys["ssm.time_step_rank"] = np.uint32(mamba.heads)
        keys["ssm.group_count"] = np.uint32(mamba.groups)
    if config.experts:
        keys["expert_count"] = np.uint32(config.experts.count)
        keys["expert_used_count"] = np.uint32(config.experts.used)
        keys["expert_shared_feed_forward_length"] = np.uint32(config.intermediate)
    return {"general.architecture": family, "general.name": name} | {f"{family}.{key}": keys[key] for key in keys}


def _architecture(config: ModelConfig) -> str:
    """llama.cpp opens no hybrid without Mamba layers; the same decoder has another name there."""
    if config.family != "granitehybrid" or config.mamba:
        return config.family
    return "granitemoe" if config.experts else "granite"


def tokenizer_keys(source: bytes, vocabulary: Vocabulary, template: str) -> dict[str, Value]:
    """What a file says of the tokenizer in `source`, a tokenizer.json that was read into `vocabulary`.

    Raises ModelFileError where the file's keys cannot say what the tokenizer does.
    """
    whole = Tokenizer.from_buffer(source)
    if whole.normalizer is not None:
        raise _no_key("its tokenizer changes the text before it cuts it")
    tokens = [
        token if kind != UNUSED else f"[PAD{i}]"
        for i, (token, kind) in enumerate(zip(vocabulary.tokens, vocabulary.kinds, strict=True))
    ]
    keys: dict[str, Value] = {
        "model": "gpt2",
        "pre": _pre_tokenizer_name(whole),
        "tokens": tokens,
        "token_type": np.array(vocabulary.kinds, np.int32),
        "merges": _merges(json.loads(source)),
        "add_bos_token": vocabulary.add_bos,
    }
    if vocabulary.bos is not None:
        keys["bos_token_id"] = np.uint32(vocabulary.bos)
    for key, token in zip(("eos_token_id", "eot_token_id", "eom_token_id"), _ends(vocabulary), strict=False):
        keys[key] = np.uint32(token)
    return {f"tokenizer.ggml.{key}": value for key, value in keys.items()} | {"tokenizer.chat_template": template}


def _pre_tokenizer_name(whole: Tokenizer) -> str:
    """The name of the rules by which the tokenizer cuts text: those that cut the probe in the same places."""
    model, pieces = whole.model, whole.pre_tokenizer.pre_tokenize_str(_PROBE)
    for name, patterns in PRE_TOKENIZERS.items():
        merged_first = name == "llama-bpe"
        if _by_rules(patterns).pre_tokenize_str(_PROBE) == pieces and model.ignore_merges == merged_first:
            return name
    raise _no_key(f"its tokenizer cuts text by other rules than {', '.join(PRE_TOKENIZERS)}")


def _by_rules(patterns: tuple[str, ...]) -> PreTokenizer:
    cuts: list[PreTokenizer] = [pre_tokenizers.Split(Regex(pattern), behavior="isolated") for pattern in patterns]
    return pre_tokenizers.Sequence([*cuts, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def _merges(document: Any) -> list[str]:
    """The two tokens that each merge joins; written as one text or, in newer files, as two."""
    merges = document["model"]["merges"]  # the tokenizers library has read the same text before
    pairs = [merge.split(" ") if isinstance(merge, str) else merge for merge in merges]
    if not all(len(pair) == 2 and " " not in "".join(pair) for pair in pairs):
        raise damaged("a merge of its tokenizer does not join two tokens")
    return [" ".join(pair) for pair in pairs]


def _ends(vocabulary: Vocabulary) -> list[int]:
    """Tokens that end an answer, the usual one first; readers know some control tokens as ends by their names."""
    known = {
        i
        for i, (token, kind) in enumerate(zip(vocabulary.tokens, vocabulary.kinds, strict=True))
        if kind == CONTROL and token in END_OF_TURN_NAMES
    }
    ends = sorted(vocabulary.end_ids, key=lambda token: (vocabulary.tokens[token] != vocabulary.eos_text, token))
    named = [ends[0], *(token for token in ends[1:] if token not in known)]
    if len(named) > 3:
        raise _no_key(f"{len(named)} of its tokens end an answer")
    return named


def _no_key(what: str) -> ModelFileError:
    return ModelFileError(f"This model cannot be written as a GGUF file: {what}, and the format has no key for that.")
