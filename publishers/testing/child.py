"""A worker process that dies of SIGKILL at a chosen moment: `python -m publishers.testing.child JOB.json`.

`JobFile` names everything another process needs; the platform's simulator lives on in the test's own process.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from publishers.api import Identity, TokenSet
from publishers.content_json import content_from_json, content_to_json
from publishers.registry import get
from publishers.testing.attempt import Attempt
from publishers.testing.clock import Clock
from publishers.testing.platform import PlatformUnderTest, Sample, open_context

KILLED = -9 if hasattr(signal, "SIGKILL") else 9


def publish_until_killed(platform: PlatformUnderTest, sample: Sample, record: Path, kill_at: int) -> bool:
    """Publish in a child that kills itself at its `kill_at`-th moment. False = it finished before."""
    identity = platform.identity
    job = record.with_suffix(".job")
    job.write_text(
        json.dumps(
            {
                "platform": platform.adapter.capabilities.platform,
                "content": content_to_json(sample.content),
                "format": sample.format_id,
                "identity": [identity.remote_id, identity.handle, identity.server, identity.name],
                "tokens": [platform.tokens.access_token, platform.tokens.refresh_token, dict(platform.tokens.extra)],
                "target": platform.target,
                "settings": dict(platform.settings),
                "record": str(record),
                "kill_at": kill_at,
            }
        ),
        "utf-8",
    )
    command = [sys.executable, "-m", "publishers.testing.child", str(job)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}  # plugins of the test included
    ended = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
    if ended.returncode not in {0, KILLED}:
        raise AssertionError(f"the child failed by itself: {ended.stderr[-2000:]}")
    return ended.returncode == KILLED


def main(job: Path) -> None:
    """Do the job in this process."""
    data = json.loads(job.read_text("utf-8"))
    access, refresh, extra = data["tokens"]
    moments = iter(range(data["kill_at"] + 1))

    def fuse(_moment: str) -> None:
        if next(moments) == data["kill_at"]:
            os.kill(os.getpid(), getattr(signal, "SIGKILL", 9))

    clock = Clock()
    identity = Identity(*data["identity"])
    attempt = Attempt(
        get(data["platform"]),
        content_from_json(data["content"]),
        data["format"],
        Path(data["record"]),
        open_context=lambda tokens, name: open_context(
            identity, tokens, name, clock, target=data["target"], settings=data["settings"]
        ),
        tokens=TokenSet(access, refresh, extra=extra),
        clock=clock,
        fuse=fuse,
    )
    asyncio.run(attempt.run())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
