"""Perplexity of a text under our engine and under llama.cpp, the same file and the same method: two numbers, one ratio.

    python docs/bench/perplexity.py --llama FOLDER --text FILE MODEL...

FOLDER holds llama-perplexity, whose method this is: the text is cut into pieces of 512 tokens, each read by itself, and
the second half of each counts.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from engine.loader import LoadedModel, load_model
from engine.reading import Reading

PIECE = 512
HALF = PIECE // 2


def ours(model: LoadedModel, text: str) -> tuple[float, int]:
    """The perplexity, and how many tokens counted."""
    vocabulary = model.tokenizer.vocabulary
    tokens = model.tokenizer.encode(text, control=False)
    if vocabulary.add_bos and vocabulary.bos is not None:
        tokens.insert(0, vocabulary.bos)
    total, counted = 0.0, 0
    for at in range(0, len(tokens) // PIECE * PIECE, PIECE):
        piece = tokens[at : at + PIECE]
        if vocabulary.add_bos and vocabulary.bos is not None:
            piece[0] = vocabulary.bos
        state = model.decoder.new_state(PIECE)
        model.decoder.step([Reading(state, piece[:HALF], 0)])
        [logits] = model.decoder.step([Reading(state, piece[HALF:], HALF)])
        scores = logits[:-1].astype(np.float64)
        scores -= scores.max(1, keepdims=True)
        chosen = scores[np.arange(HALF - 1), piece[HALF + 1 :]]
        total += float((np.log(np.exp(scores).sum(1)) - chosen).sum())
        counted += HALF - 1
    return float(np.exp(total / counted)), counted


def theirs(folder: Path, model: Path, text: Path, threads: int) -> float:
    command = [folder / "llama-perplexity", "-m", model, "-f", text, "-c", str(PIECE), "-t", str(threads)]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True)
    found = re.search(r"Final estimate: PPL = ([\d.]+)", done.stdout + done.stderr)
    assert found, done.stderr[-1000:]
    return float(found[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("models", metavar="MODEL", type=Path, nargs="+")
    parser.add_argument("--llama", metavar="FOLDER", type=Path, required=True)
    parser.add_argument("--text", metavar="FILE", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    for path in given.models:
        mine, counted = ours(load_model(path, threads=given.threads), given.text.read_text("utf-8"))
        other = theirs(given.llama, path, given.text, given.threads)
        sys.stdout.write(f"| {path.stem} | {counted} | {other:.4f} | {mine:.4f} | {mine / other - 1:+.2%} |\n")


if __name__ == "__main__":
    main()
