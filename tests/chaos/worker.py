#!/usr/bin/env python3
"""The worker destination: FILE SEED; one line for each event it was given."""
import hashlib
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import plan

out = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
for line in sys.stdin.buffer:
    e = json.loads(line)
    body = e["body"].encode()
    n = json.loads(body)["n"]
    how = plan.worker(sys.argv[2], n, e["attempt"])
    os.write(out, f"{n} {e['attempt']} {e['event_id']} {how} "
                  f"{hashlib.sha256(body).hexdigest()}\n".encode())
    if how == "exit":
        sys.exit(3)
    print(json.dumps({"id": e["id"], "ok": how == "ok", "error": how}), flush=True)
