"""Make `twitter_text.json`: what X's counting needs to know, as facts in our own layout.

    python resources/text/make_twitter_text.py TWITTER_TEXT_DIR UNICODE_EMOJI_DIR

TWITTER_TEXT_DIR holds v3.json (weights) and tlds.yml (names of top-level domains) of twitter-text;
UNICODE_EMOJI_DIR holds emoji-sequences.txt and emoji-zwj-sequences.txt of Unicode (Debian: unicode-data).
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

_OUT = Path(__file__).with_name("twitter_text.json")
_STYLE = {0xFE0F, *range(0x1F3FB, 0x1F400)}  # emoji presentation and skin tones: they never make another sequence


def weights(folder: Path) -> dict[str, object]:
    """Limit, scale, default weight, weight of a link, and [first, last, weight] of each code point range."""
    config = json.loads((folder / "v3.json").read_text("utf-8"))
    return {
        "limit": config["maxWeightedTweetLength"],
        "scale": config["scale"],
        "default": config["defaultWeight"],
        "link": config["transformedURLLength"],
        "ranges": [[r["start"], r["end"], r["weight"]] for r in config["ranges"]],
    }


def top_level_domains(folder: Path) -> list[str]:
    """Every name the conformance file vouches for, lower case, sorted."""
    cases = yaml.safe_load((folder / "tlds.yml").read_text("utf-8"))["tests"]
    names = {case["text"].rsplit(".", 1)[1].lower() for section in cases.values() for case in section}
    return sorted(names)


def sequences(file: Path, kind: str) -> Iterator[list[int]]:
    """The code points of each sequence of one kind in a Unicode emoji data file."""
    for line in file.read_text("utf-8").splitlines():
        if match := re.match(rf"([0-9A-F ]+?)\s*;\s*{kind}\s*;", line):
            yield [int(code, 16) for code in match.group(1).split()]


def emoji(folder: Path) -> dict[str, list[str]]:
    """Flags as region letters and subdivision tags; joined emoji as code points without style and joiners."""
    flags = sequences(folder / "emoji-sequences.txt", "RGI_Emoji_Flag_Sequence")
    tags = sequences(folder / "emoji-sequences.txt", "RGI_Emoji_Tag_Sequence")
    joined = sequences(folder / "emoji-zwj-sequences.txt", "RGI_Emoji_ZWJ_Sequence")
    return {
        "regions": sorted("".join(chr(code - 0x1F1E6 + ord("A")) for code in flag) for flag in flags),
        "subdivisions": sorted("".join(chr(code - 0xE0000) for code in tag[1:-1]) for tag in tags),
        "joined": sorted(
            {" ".join(f"{code:X}" for code in one if code not in _STYLE and code != 0x200D) for one in joined}
        ),
    }


def main(twitter_text: Path, unicode_emoji: Path) -> None:
    facts = {
        "sources": [
            "twitter-text: config/v3.json and conformance/tlds.yml, commit 30e2430d90cff3b46393ea54caf511441983c260",
            "Unicode emoji data 15.0: emoji-sequences.txt, emoji-zwj-sequences.txt",
        ],
        "made_by": Path(__file__).name,
        "weights": weights(twitter_text),
        "top_level_domains": top_level_domains(twitter_text),
        "emoji": emoji(unicode_emoji),
    }
    _OUT.write_text(json.dumps(facts, ensure_ascii=False, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
