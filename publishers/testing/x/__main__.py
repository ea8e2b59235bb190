"""`python -m publishers.testing.x [--port P]`: the simulator as a process of its own, until it is stopped.

The first line on stdout is JSON: url, client_id, user_id, handle, and a token set that is already good.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading

from publishers.testing.x.simulator import HANDLE, USER_ID, XSimulator


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser(prog="python -m publishers.testing.x")
    parser.add_argument("--port", type=int, default=0, help="on 127.0.0.1; 0 takes a free one")
    with XSimulator(port=parser.parse_args().port) as simulator:
        ready = {
            "url": simulator.url,
            "client_id": simulator.rules.client_id,
            "user_id": USER_ID,
            "handle": HANDLE,
            "tokens": simulator.sign_in.grant(),
        }
        sys.stdout.write(json.dumps(ready) + "\n")
        sys.stdout.flush()
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
