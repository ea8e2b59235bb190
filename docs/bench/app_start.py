"""Start the window over a data folder, open Posts, and print one JSON line: first paint, memory, modules.

    python docs/bench/app_start.py [--data-dir DIR] [--posts N] [--repeat N]

Without --data-dir a folder with N posts is made. `--repeat` starts that many processes and prints their median.
Seconds count from before the interpreter starts.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BEGAN = float(os.environ.get("BENCH_BEGAN", time.time()))
ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--posts", type=int, default=1000)
    parser.add_argument("--repeat", type=int, default=0)
    chosen = parser.parse_args()
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    if chosen.data_dir and not chosen.repeat:
        result: dict[str, object] = start(chosen.data_dir)
    else:
        with tempfile.TemporaryDirectory() as folder:
            data = chosen.data_dir or make(Path(folder) / "data", chosen.posts)
            runs = [measured(data) for _ in range(max(chosen.repeat, 1))]
        result = {
            "first_paint_s": statistics.median(run["first_paint_s"] for run in runs),
            "pages_s": statistics.median(run["pages_s"] for run in runs),
            "all": [(run["first_paint_s"], run["pages_s"]) for run in runs],
            "rss_bytes": max(run["rss_bytes"] for run in runs),
            "posts": runs[0]["posts"],
        }
    sys.stdout.write(json.dumps(result) + "\n")
    return 0


def make(folder: Path, posts: int) -> Path:
    from app.core.folder import DataFolder
    from app.store.database import Store
    from tests.app.ui import demo

    store = Store(DataFolder(folder))
    demo.many_posts(store, posts)
    store.close()
    return folder


def measured(data: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--data-dir", str(data)]
    begun = {**os.environ, "BENCH_BEGAN": str(time.time())}
    answer = subprocess.run(command, capture_output=True, check=True, cwd=ROOT, env=begun).stdout
    return dict(json.loads(answer))


def start(data: Path) -> dict[str, object]:
    """In this process, once: as `python -m app` does it, until the pages are there and the posts are listed."""
    from PySide6.QtCore import QEvent, QObject, QTimer

    from app.core.folder import DataFolder
    from app.ui.start import Start

    begun = Start(DataFolder(data))
    result: dict[str, object] = {}

    class Watch(QObject):
        """Notes the first paint of the window, and of its pages."""

        def eventFilter(self, watched: QObject, event: QEvent) -> bool:
            if event.type() == QEvent.Type.Paint:
                if watched is begun.window.opening:
                    result.setdefault("first_paint_s", round(age(), 3))
                elif "pages_s" not in result:
                    result["pages_s"] = round(age(), 3)
                    result["modules"] = sorted({name.split(".")[0] for name in sys.modules})
                    QTimer.singleShot(0, begun.window, lambda: begun.window.open("posts"))
                    QTimer.singleShot(1500, begun.window, finish)
            return False

    watch = Watch()

    def pages_come(_services: object) -> None:
        begun.window.centralWidget().installEventFilter(watch)

    def finish() -> None:
        result["posts"] = begun.window.page._model.rowCount()
        result["rss_bytes"] = resident()
        begun.window.close()

    begun.window.opening.installEventFilter(watch)
    begun.services.ready.connect(pages_come)  # queued behind the window's own slot
    begun.services.failed.connect(begun.window.close)
    begun.run()
    return result


def age() -> float:
    """Seconds since the process was asked for; without --repeat since this file was loaded."""
    return time.time() - BEGAN


def resident() -> int:
    import psutil

    return int(psutil.Process().memory_info().rss)


if __name__ == "__main__":
    raise SystemExit(main())
