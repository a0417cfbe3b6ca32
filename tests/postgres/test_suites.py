#!/usr/bin/env python3
"""The end-to-end suites about receiving, delivering, sending and filtering, on a store on
PostgreSQL. All of them: make e2e STORE=postgres."""
import os
import re
import subprocess
import sys

import cluster

HERE = os.path.dirname(os.path.abspath(__file__))
SUITES = ["receive.py", "deliver.py", "send.py", "filters.py"]


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
