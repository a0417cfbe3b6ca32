#!/usr/bin/env python3
"""docs.py -- what is written about the program holds for the program: generated pages are up to
date, configurations load, commands and options exist, C compiles, links lead somewhere."""
import sys, os
sys.path.insert(0, os.path.dirname(__file__))
from lib import *
import glob
import shlex

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
MADE = ["docs/reference/" + name + ".md" for name in
        ("commands", "api", "metrics", "providers", "targets", "limits")] + [
            "docs/man/gaff.1", "docs/man/gaff.yaml.5", "docs/man/libgaff.3"]
WRITTEN = ["README.md"] + sorted(os.path.relpath(p, TOP) for p in
                                 glob.glob(TOP + "/docs/guide/*.md"))
ALL = WRITTEN + ["ARCHITECTURE.md", "SECURITY.md", "CONTRIBUTING.md"] + sorted(
    os.path.relpath(p, TOP) for p in glob.glob(TOP + "/docs/[rw]*/*.md"))


def read(path):
    with open(os.path.join(TOP, path), encoding="utf-8") as f:
        return f.read()


def blocks(path, *languages):
    return [(f"{path}: block {i + 1}", text) for i, (language, text) in
            enumerate(re.findall(r"^```(\w*)\n(.*?)^```$", read(path), re.M | re.S))
            if language in languages]


def test_generated_pages_are_up_to_date():
    with tempfile.TemporaryDirectory() as folder:
        p = subprocess.run([os.path.join(TOP, "scripts/gen-docs"), folder], cwd=TOP,
                           env={**os.environ, "GAFF": GAFF}, capture_output=True, timeout=300,
                           check=False)
        assert p.returncode == 0, p.stderr.decode()
        stale = []
        for path in MADE:
            with open(os.path.join(folder, path.removeprefix("docs/")), encoding="utf-8") as f:
                if not os.path.exists(os.path.join(TOP, path)) or f.read() != read(path):
                    stale.append(path)
        assert not stale, f"`make docs` would change {stale}"
    # gen-docs has just counted the same: shown at the end of all tests.
    print("proof:", re.search(r"\d+ services: [^|]*", read("README.md")).group(0).strip())


def test_an_option_of_gen_docs_is_no_directory():
    with tempfile.TemporaryDirectory() as folder:
        p = subprocess.run([os.path.join(TOP, "scripts/gen-docs"), "--help"], cwd=folder,
                           env={**os.environ, "GAFF": GAFF}, capture_output=True, check=False)
        assert p.returncode != 0 and b"a directory" in p.stderr, p.stderr
        assert os.listdir(folder) == []


def complete(text, folder):
    """The block with what it leaves out: sources and destinations that its routes name, and the
    files and variables it refers to."""
    if not re.search(r"^sources:", text, re.M):
        names = re.findall(r"from: (?:\[(.*?)\]|([\w-]+))(?=[ ,}]*(?:$|,|}))", text)
        names = {n.strip() for pair in names for n in ",".join(pair).split(",") if n.strip()}
        text += "sources:\n" + "".join(f"  {n}: {{ provider: none, insecure: true }}\n"
                                       for n in sorted(names)) if names else ""
    if not re.search(r"^destinations:", text, re.M):
        names = {n.strip() for one in re.findall(r"\bto: \[(.*?)\]", text)
                 for n in one.split(",")}
        text += "destinations:\n" + "".join(f"  {n}: {{ log: {{ file: all.jsonl }} }}\n"
                                            for n in sorted(names)) if names else ""
    secret = "whsec_" + base64.b64encode(b"0123456789abcdef01234567").decode()
    for path in re.findall(r"\$\{file:([^}]*)\}", text):
        text = text.replace("${file:" + path + "}", "${file:secret}")
    for name in ["secret"] + re.findall(r"\$\{cred:([^}]*)\}", text):
        with open(os.path.join(folder, name), "w", encoding="ascii") as f:
            f.write(secret)
        os.chmod(os.path.join(folder, name), 0o600)
    for name in re.findall(r"\[\s*(\./[\w./-]+)", text):
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="ascii") as f:
            f.write("#!/bin/sh\n")
        os.chmod(path, 0o755)
    if "tls:" in text:
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=x",
                        "-keyout", folder + "/key.pem", "-out", folder + "/cert.pem"], check=True,
                       capture_output=True)
        text = re.sub(r"[\w/.-]*(cert|key)\.pem", r"\1.pem", text)
    env = {name: "https://hooks.slack.com/services/T0/B0/x" if name.endswith("_WEBHOOK") else secret
           for name in re.findall(r"\$\{env:([^}]*)\}", text)}
    return text, {**env, "CREDENTIALS_DIRECTORY": folder}


def test_configurations_load():
    count = 0
    for path in WRITTEN:
        for where, text in blocks(path, "yaml"):
            with tempfile.TemporaryDirectory() as folder:
                text, env = complete(text, folder)
                with open(folder + "/gaff.yaml", "w", encoding="utf-8") as f:
                    f.write(text)
                p = subprocess.run([GAFF, "check"], cwd=folder, capture_output=True, timeout=60,
                                   env={"PATH": os.environ["PATH"], **env}, check=False)
                assert p.returncode == 0, f"{where}\n{text}\n{p.stderr.decode()}"
                count += 1
    assert count > 10


def sentences():
    said = subprocess.run([GAFF, "help"], capture_output=True, check=True).stdout.decode()
    out = {}
    for words in re.findall(r"^  ([\w-]+(?: [\w-]+)?)  +\S", said, re.M):
        said = subprocess.run([GAFF, *words.split(), "--help"], capture_output=True, check=True)
        # hooks.json's own command line tells its flags as Go programs do.
        text = (said.stdout + said.stderr).decode()
        out[words] = set(re.findall(r"^ *(--?[\w-]+)", text, re.M)) | {"--help"}
    return out


def commands_in(path):
    """Every `gaff ...` of the file: lines of blocks, and what stands between backquotes."""
    text = read(path)
    inside = re.findall(r"^```\w*\n(.*?)^```$", text, re.M | re.S)
    lines = [one for block in inside for one in block.replace("\\\n", " ").split("\n")]
    plain = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
    lines += [" ".join(one.split()) for one in re.findall(r"`([^`]*)`", plain)]
    for line in lines:
        line = re.sub(r"^\s*(export )?(\w+=\S+ )*", "", line).removeprefix("sudo ")
        if not re.match(r"(\S*/)?gaff ", line):
            continue
        try:
            words = shlex.split(line, comments=True)
        except ValueError:
            continue
        end = next((i for i, w in enumerate(words) if re.match(r"[|<>&;]|2>", w)), len(words))
        yield line, words[1:end]


def test_commands_and_options_exist():
    known, count = sentences(), 0
    for path in ALL + ["dist/gaff.yaml"]:
        for line, words in commands_in(path):
            if not words or words[0] in ("COMMAND", "--version"):
                continue
            name = next((n for n in (" ".join(words[:2]), words[0]) if n in known), None)
            assert name, f"{path}: no such command: {line}"
            for word in words:
                option = word.split("=")[0]
                assert not re.match(r"--?[a-z]", word) or option in known[name], \
                    f"{path}: {name} has no {option}: {line}"
            count += 1
    assert count > 40


def test_keys_of_actions_are_written_down():
    guide = read("docs/guide/delivering.md")
    for path in sorted(glob.glob(TOP + "/src/action/action_*.c")) + [TOP + "/src/action/command.h"]:
        if path.endswith("handler.c"):
            continue
        text = read(path)
        for names in re.findall(r"known\[\] = \{(.*?)\}|COMMAND_KEYS (.*)", text, re.S):
            for key in re.findall(r'"(\w+)"', "".join(names).split("\n\n")[0]):
                assert re.search(rf"`{key}`", guide), f"{os.path.basename(path)}: {key}"


def test_c_in_the_text_compiles():
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if not compiler:
        raise Skip("no compiler")
    count = 0
    for path in WRITTEN:
        for where, text in blocks(path, "c"):
            if "#include <gaff.h>" not in text:
                continue
            p = subprocess.run([compiler, "-std=c11", "-Wall", "-Wextra", "-Werror",
                                "-fsyntax-only", "-I" + TOP + "/include", "-x", "c", "-"],
                               input=text.encode(), capture_output=True, check=False)
            assert p.returncode == 0, where + "\n" + p.stderr.decode()
            count += 1
    assert count >= 2


def test_links_lead_somewhere():
    for path in ALL:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", read(path)):
            if "://" not in target:
                there = os.path.join(TOP, os.path.dirname(path), target)
                assert os.path.exists(there), f"{path}: {target}"


def test_manual_pages_are_well_formed():
    tool = shutil.which("mandoc")
    man = shutil.which("man") if shutil.which("groff") else None
    if not tool and not man:
        raise Skip("neither mandoc nor man with groff")
    for page in glob.glob(TOP + "/docs/man/*.[1-8]"):
        command = [tool, "-T", "lint", "-W", "warning", page] if tool else \
            [man, "--warnings", "-l", page]
        p = subprocess.run(command, capture_output=True, check=False,
                           env={**os.environ, "MANWIDTH": "100", "LC_ALL": "C.UTF-8"})
        said = p.stderr + (p.stdout if tool else b"")
        assert p.returncode == 0 and not said, said.decode()


def test_dashboards_and_alerts_ask_for_metrics_that_exist():
    known = set(re.findall(r"^\| `(gaff_\w+)`", read("docs/reference/metrics.md"), re.M))
    for path in ("dist/grafana-dashboard.json", "dist/prometheus-alerts.yaml"):
        asked = {re.sub(r"_(bucket|sum|count)$", "", m)
                 for m in re.findall(r"\bgaff_\w+", read(path))}
        assert len(asked) > 5 and asked <= known, (path, asked - known)
    json.loads(read("dist/grafana-dashboard.json"))


run(globals())
