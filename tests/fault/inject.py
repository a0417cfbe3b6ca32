"""inject.py -- the other side of inject.c: builds it, steers it while the daemon runs, and makes of
its undo log what a power cut would have left on the disk."""
import ctypes
import errno
import mmap
import os
import shutil
import struct
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
WRITE, SYNC, ALLOCATE, CREATE = 1, 2, 4, 8
JOURNAL, DATABASE, OTHER = 1, 2, 4
OFF, ALL, NTH, FROM_NTH, RANDOM = range(5)
SECTOR = 512


def build(name="inject", where=HERE):
    """The shared object, made when it is older than its source; None without a compiler."""
    folder = os.path.join(os.environ.get("BUILD_DIR", "build/release"), "fault")
    os.makedirs(folder, exist_ok=True)
    out = os.path.abspath(os.path.join(folder, name + ".so"))
    source = os.path.join(where, name + ".c")
    if os.path.exists(out) and os.path.getmtime(out) > os.path.getmtime(source):
        return out
    compiler = shutil.which(os.environ.get("CC", "cc")) or shutil.which("gcc")
    if not compiler:
        return None
    made = f"{out}.{os.getpid()}"
    subprocess.run([compiler, "-std=gnu11", "-O1", "-Wall", "-Wextra", "-fPIC", "-shared", "-o",
                    made, source, "-ldl"], check=True)
    os.rename(made, out)
    return out


class Page(ctypes.Structure):
    _fields_ = [(n, ctypes.c_uint32) for n in ("mode", "error", "kinds", "files", "permille",
                                               "torn", "sync_delay_us", "unused")] + \
               [(n, ctypes.c_uint64) for n in ("nth", "calls", "failed")]


class Inject:
    """The control page of one daemon whose files are below `directory`."""

    def __init__(self, place, directory):
        self.object = build()
        os.makedirs(place, exist_ok=True)
        self.place, self.directory = os.path.realpath(place), os.path.realpath(directory)
        self.path = os.path.join(self.place, "control")
        with open(self.path, "wb") as f:
            f.write(bytes(4096))
        with open(self.path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), 4096)
        self.page = Page.from_buffer(self.map)

    def env(self, undo=False):
        env = {"LD_PRELOAD": self.object, "INJECT_DIR": self.directory,
               "INJECT_CONTROL": self.path}
        if undo:
            env["INJECT_UNDO"] = self.undo_dir()
        if "asan" in os.environ.get("GAFF", ""):
            env["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
        return env

    def fail(self, kinds, error=errno.EIO, files=JOURNAL | DATABASE | OTHER, mode=ALL, nth=0,
             permille=0, torn=False):
        p = self.page
        p.mode = OFF
        p.error, p.kinds, p.files, p.permille = error, kinds, files, permille
        p.torn, p.nth, p.calls, p.failed = torn, nth, 0, 0
        p.mode = mode

    def heal(self):
        self.page.mode = OFF

    # --- the power cut ---------------------------------------------------------------------------

    def undo_dir(self):
        path = os.path.join(self.place, "undo")
        os.makedirs(path, exist_ok=True)
        return path

    def forget(self):
        shutil.rmtree(self.undo_dir())
        self.undo_dir()

    def cut_power(self, rng, keep):
        """The daemon is dead: its files become what was synced, and of what was not each sector
        and each change of metadata with the chance `keep`. Returns how many entries the log had
        and how many of them were not durable."""
        entries = read_entries(os.path.join(self.undo_dir(), "log"))
        durable = durable_ones(entries)
        loose = [i for i, ok in enumerate(durable) if not ok]
        if loose:
            for e in reversed(entries[loose[0]:]):
                take_back(e, self.undo_dir())
            gone = set()
            for e, ok in zip(entries[loose[0]:], durable[loose[0]:]):
                redo(e, 1.0 if ok else keep, rng, gone)
        self.forget()
        return len(entries), len(loose)


TYPES = ("", "write", "size", "create", "unlink", "synced", "sync_failed")
HEAD = struct.Struct("<IIQQQQQ")


class Entry:
    pass


def is_watched(path):
    name = os.path.basename(path)
    return name.endswith(".gj") or name in ("gaff.db", "gaff.db-wal", "gaff.db-journal")


def read_entries(path):
    out = []
    if not os.path.exists(path):
        return out
    with open(path, "rb") as f:
        data = f.read()
    at = 0
    while at + HEAD.size <= len(data):
        e = Entry()
        kind, path_bytes, e.seq, e.offset, e.old_size, old, new = HEAD.unpack_from(data, at)
        at += HEAD.size
        if at + path_bytes + old + new > len(data):
            break  # killed in the middle: the operation itself had not begun
        e.type = TYPES[kind]
        e.path = data[at:at + path_bytes].decode()
        e.old = data[at + path_bytes:at + path_bytes + old]
        e.new = data[at + path_bytes + old:at + path_bytes + old + new]
        at += path_bytes + old + new
        if is_watched(e.path) or e.type.startswith("sync"):
            out.append(e)
    return out


def durable_ones(entries):
    """Of each entry: whether a later sync covers it. What a failed sync covered is lost for good:
    the kernel may have dropped it, and a later sync that succeeds says nothing of it."""
    waiting, durable = {}, [False] * len(entries)
    for i, e in enumerate(entries):
        if not e.type.startswith("sync"):
            place = os.path.dirname(e.path) if e.type in ("create", "unlink") else e.path
            waiting.setdefault(place, []).append(i)
            continue
        durable[i] = True
        rest = []
        for k in waiting.get(e.path, ()):
            if entries[k].seq > e.offset:
                rest.append(k)
            else:
                durable[k] = e.type == "synced"
        waiting[e.path] = rest
    return durable


def patch(path, at, data):
    with open(path, "r+b") as f:
        f.seek(at)
        f.write(data)


def take_back(e, links):
    if e.type == "unlink":
        kept = os.path.join(links, str(e.seq))
        if not os.path.exists(e.path) and os.path.exists(kept):
            os.link(kept, e.path)
        return
    if not os.path.exists(e.path):
        return
    if e.type == "create":
        os.unlink(e.path)
    elif e.type in ("write", "size"):
        patch(e.path, e.offset, e.old)
        os.truncate(e.path, e.old_size)


def redo(e, keep, rng, gone):
    """gone: paths whose creation was lost, and with it all that was written to them."""
    if e.type == "create":
        if rng.random() < keep:
            gone.discard(e.path)
            open(e.path, "ab").close()
        else:
            gone.add(e.path)
    elif e.path in gone or not os.path.exists(e.path):
        return
    elif e.type == "unlink" and rng.random() < keep:
        os.unlink(e.path)
    elif e.type == "size" and rng.random() < keep:
        os.truncate(e.path, e.offset)
    elif e.type == "write":
        at = 0
        while at < len(e.new):
            n = min(SECTOR - (e.offset + at) % SECTOR, len(e.new) - at)
            if rng.random() < keep:
                patch(e.path, e.offset + at, e.new[at:at + n])
            at += n
