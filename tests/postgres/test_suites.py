#!/usr/bin/env python3
"""The end-to-end suites that ask most of a store, on PostgreSQL: receiving, delivering, sending,
filtering, lists and moves by hand, the API and who may use it, jobs, polling and streams. All of
them, with SDKs and dashboard: make test STORE=postgres."""
import os
import re
import subprocess
import sys

import cluster

HERE = os.path.dirname(os.path.abspath(__file__))
SUITES = ["receive.py", "deliver.py", "send.py", "filters.py", "operate.py", "contract.py",
          "access.py", "hub.py", "poll.py", "portal.py", "operational.py", "send_guard.py",
          "listen.py", "channel.py"]


def main():
    passed = failed = skipped = 0
    if not cluster.binaries():
        print("skip all: PostgreSQL's server is not installed (scripts/deps test)")
        print(f"0 passed, 0 failed, {len(SUITES)} skipped")
        return 0
    server = cluster.Server()
    try:
        server.init()
        server.start()
        env = dict(os.environ, GAFF_TEST_STORE="postgres", GAFF_TEST_POSTGRES=server.url())
        for suite in SUITES:
            run = subprocess.run([sys.executable, os.path.join(HERE, "../e2e", suite)], env=env,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            lines = run.stdout.rstrip().split("\n")
            print("\n".join(lines[:-1]))
            counts = re.match(r"(\d+) passed, (\d+) failed, (\d+) skipped$", lines[-1])
            numbers = [int(n) for n in counts.groups()] if counts else [0, 1, 0]
            passed, failed, skipped = (a + b for a, b in zip((passed, failed, skipped), numbers))
    finally:
        server.stop()
        server.remove()
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
