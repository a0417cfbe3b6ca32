#!/usr/bin/env python3
"""start.py -- starts that must not succeed, with the exit code service managers know and a sentence
that says what to do."""
import os
import sys
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from faulty import *


def serve(d, **how):
    p = subprocess.run([GAFF, "serve", "--config", "gaff.yaml"], cwd=d.dir, env=d.env,
                       capture_output=True, timeout=60, check=False, **how)
    return p.returncode, p.stderr.decode()


def test_a_second_daemon_on_the_same_store_is_refused_and_the_first_unharmed():
    with Faulty() as d:
        code, said = serve(d)
        assert code == 75 and f"process {d.process.pid}" in said, (code, said)
        assert d.send().status == 200
        d.kill()
        d.start()
        d.nothing_is_lost()


def test_a_store_that_may_not_be_written_is_refused_with_its_path():
    with Faulty() as d:
        d.send()
        assert d.stop() == 0
        user = {}
        if os.getuid() == 0:
            os.chmod(d.dir, 0o755)
            user = {"user": 65534, "group": 65534, "extra_groups": []}
            if subprocess.run(["test", "-x", GAFF], check=False, **user).returncode != 0:
                raise Skip("gaff is where no other user can run it")
        for name in os.listdir(d.data):
            os.chmod(os.path.join(d.data, name), 0o500 if name == "journal" else 0o400)
        os.chmod(d.data, 0o555)
        for name in ("LD_PRELOAD", "INJECT_DIR", "INJECT_CONTROL"):
            d.env.pop(name)
        code, said = serve(d, **user)
        os.chmod(d.data, 0o755)
        assert code in (73, 77) and d.data in said, (code, said)


def test_a_place_that_cannot_hold_a_store_is_refused_with_its_path():
    with Faulty(start=False) as d:
        d.write("file", "no directory")
        d.config("store: 'sqlite:file/below'\nsources: { s: { provider: none } }\n")
        code, said = serve(d)
        assert code in (69, 73, 77), (code, said)
        assert "file/below" in said and "cannot start" in said, said


def test_a_journal_of_another_store_is_refused():
    with Faulty() as a, Faulty() as b:
        a.send()
        b.send()
        a.kill()
        b.kill()
        shutil.rmtree(os.path.join(a.data, "journal"))
        shutil.copytree(os.path.join(b.data, "journal"), os.path.join(a.data, "journal"))
        code, said = serve(a)
        assert code != 0 and "another store" in said, (code, said)


run(globals())
