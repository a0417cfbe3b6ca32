"""gen_man.py -- manual pages in mdoc(7), for scripts/gen-docs: the program's from its help, a page
from a reference in Markdown, the library's from its header."""
import re
import textwrap

MADE = '.\\" Made by scripts/gen-docs: `make docs` writes it anew.\n'


def escape(text):
    return text.replace("\\", "\\e").replace("-", "\\-")


def line(text):
    """A line of text that can't be taken for a request."""
    return ("\\&" if text[:1] in (".", "'") else "") + text


def words(text):
    """Markdown's marks inside a line."""
    out = []
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    for i, part in enumerate(re.split(r"(``? ?.*? ?``?)(?=[^`]|$)", text)):
        if i % 2:
            out.append("\\fB" + escape(part.strip("`").strip() or part) + "\\fP")
        else:
            bold = re.split(r"\*\*(.+?)\*\*", part)
            out.append("".join("\\fB" + b.replace("\\", "\\e") + "\\fP" if k % 2 else
                               b.replace("\\|", "|").replace("\\", "\\e")
                               for k, b in enumerate(bold)))
    return "".join(out)


def fill(text):
    return "".join(line(one) + "\n" for one in textwrap.wrap(
        text, 95, break_long_words=False, break_on_hyphens=False))


def literal(text):
    body = "".join(line(escape(one)) + "\n" for one in text.rstrip("\n").split("\n"))
    return ".Bd \\-literal \\-offset indent\n".replace("\\-", "-") + body + ".Ed\n"


def head(version, name, section, about):
    # Without a date of its own: the same sources make the same page.
    return (f"{MADE}.Dd November 23, 2026\n.Dt {name.upper()} {section}\n.Os gaff {version}\n"
            f".Sh NAME\n.Nm {name}\n.Nd {about}\n")


def tagged(rows):
    return (".Bl -tag -width Ds\n" +
            "".join(f".It \\fB{escape(a)}\\fP\n{fill(b)}" for a, b in rows) + ".El\n")


def options(text):
    return [re.fullmatch(r"(--?\S+(?: \S+)?)\s{2,}(\S.*)", one).groups()
            for one in text.splitlines()]


def command_page(version, commands, exits, daemon_exits):
    out = [head(version, "gaff", 1, "webhook engine: receive, act on, retry and show webhooks"),
           ".Sh SYNOPSIS\n.Nm\n.Ar command\n.Op Ar options\n.Sh DESCRIPTION\n",
           ".Nm\nreceives webhooks, verifies who sent them, "
            "stores each on disk before it answers,\n"
           "acts on it, retries what failed, and shows and replays all of it.\n"
           "The daemon is\n.Nm Cm serve ;\nmost other commands ask it.\n",
           ".Sh COMMANDS\n"]
    for c in commands:
        usage = c["usage"].removeprefix("gaff ")
        out.append(f".Ss {escape(usage)}\n{fill(c['summary'][0].upper() + c['summary'][1:] + '.')}")
        if c["options"]:
            out.append(tagged(options(c["options"])))
        out.append(".Pp\nExample:\n" + literal(c["example"]))
    out.append(".Sh OPTIONS\nAll commands know these.\n" + tagged(options(commands[0]["common"])))
    out.append(".Sh ENVIRONMENT\n" + tagged((
        ("GAFF_CONFIG", "The configuration file, when --config does not name one."),
        ("GAFF_DATA", "The data directory, when --data does not name one."),
        ("GAFF_API, GAFF_TOKEN", "The daemon's admin address and its token."),
        ("GAFF_SECRET", "The secret for send, sign and verify: arguments are seen by others."),
        ("NO_COLOR", "No colours on a terminal."))))
    out.append(".Sh FILES\n" + tagged((
        ("./gaff.yaml, /etc/gaff/gaff.yaml", "The configuration, the first that is there."),
        ("gaff-data/", "The store, and admin.token and admin.url by which commands find the "
         "daemon; where it is, the configuration says."))))
    out.append(".Sh EXIT STATUS\n" + tagged(exits) + ".Pp\n.Nm Cm serve\nends with:\n" +
               tagged(daemon_exits))
    out.append(".Sh SIGNALS\nOf the daemon:\n" + tagged((
        ("HUP", "loads the configuration again"),
        ("TERM", "takes nothing new, finishes what is in flight within drain_timeout, ends"),
        ("INT", "ends without waiting; a second TERM or INT ends at once"),
        ("QUIT", "ends at once. What was answered is on disk whatever the signal"))))
    out.append(".Sh SEE ALSO\n.Xr gaff.yaml 5 ,\n.Xr libgaff 3\n")
    return "".join(out)


class Page:
    """Markdown, a block at a time."""

    def __init__(self):
        self.out = []
        self.fresh = True  # nothing since the heading: a paragraph needs no .Pp

    def text(self, text):
        self.out.append(("" if self.fresh else ".Pp\n") + fill(words(text)))
        self.fresh = False

    def heading(self, text):
        level, title = text.split(" ", 1)
        if level != "#":
            title = title.replace("`", "")
            self.out.append(f".Sh {title.upper()}\n" if level == "##" else f".Ss {title}\n")
            self.fresh = True

    def table(self, lines):
        rows = [[c.strip() for c in re.split(r"(?<!\\)\|", one)[1:-1]] for one in lines]
        titles, rows = rows[0], rows[2:]
        self.out.append(".Bl -tag -width Ds\n")
        for row in rows:
            self.out.append(".It " + words(row[0]) + "\n")
            named = ("default", "type", "environment", "not accepted")
            facts = [f"{t}: {v}" if t in named else v for t, v in zip(titles[1:], row[1:]) if v]
            if titles[-1] not in named:  # what it is, before its type and default
                facts = facts[-1:] + facts[:-1]
            self.out.append(fill(words(". ".join(f.rstrip(".") for f in facts) + ".")))
        self.out.append(".El\n")
        self.fresh = False

    def items(self, lines):
        kind = "-enum" if lines[0][0].isdigit() else "-bullet"
        entries = re.split(r"^(?:- |\d+\. )", "\n".join(lines), flags=re.M)[1:]
        self.out.append(f".Bl {kind}\n" + "".join(
            ".It\n" + fill(words(" ".join(e.split()))) for e in entries) + ".El\n")
        self.fresh = False

    def read(self, markdown):
        for part in re.split(r"(^```.*?^```$)", markdown, flags=re.M | re.S):
            if part.startswith("```"):
                self.out.append(("" if self.fresh else ".Pp\n") +
                                literal("\n".join(part.split("\n")[1:-1])))
                self.fresh = False
                continue
            for block in re.split(r"\n\s*\n", part):
                block = block.strip("\n")
                if block.strip():
                    self.block(block)
        return "".join(self.out)

    def block(self, block):
        lines = block.split("\n")
        if block.startswith("<!--"):
            return
        if block.startswith("#"):
            self.heading(lines[0])
            if lines[1:]:
                self.block("\n".join(lines[1:]))
        elif block.startswith("|"):
            self.table(lines)
        elif re.match(r"- |\d+\. ", block):
            self.items(lines)
        else:
            self.text(" ".join(block.split()))


def markdown_page(version, name, section, about, markdown):
    return (head(version, name, section, about) + ".Sh DESCRIPTION\n" + Page().read(markdown) +
            ".Sh SEE ALSO\n.Xr gaff 1\n")


def comment_text(comment):
    text = re.sub(r"^/\*+ ?|\s*\*/$", "", comment.strip())
    return re.sub(r"^ \* ?", "", text, flags=re.M)


def prose(text):
    """A comment: paragraphs, and what is indented as it stands."""
    out = []
    for block in re.split(r"\n\s*\n", text):
        lines = [one for one in block.split("\n") if one.strip()]
        if not lines:
            continue
        if all(one.startswith("    ") for one in lines):
            out.append(literal(textwrap.dedent("\n".join(lines))))
            continue
        while lines and not lines[0].startswith("  "):
            plain = []
            while lines and not lines[0].startswith("  "):
                plain.append(lines.pop(0).strip())
            out.append(".Pp\n" + fill(" ".join(plain).replace("\\", "\\e")))
        if lines:
            out.append(literal(textwrap.dedent("\n".join(lines))))
    return "".join(out)


def declarations(code):
    """A section of the header: each comment that begins a line as text, the rest as it stands."""
    out, pending = [], ""

    def flush():
        nonlocal pending
        text = pending.replace("GAFF_API ", "").strip("\n")
        text = re.sub(r"^ {9}(?= {15})", "", text, flags=re.M)  # lines that went on below it
        if text.strip():
            out.append(literal(text))
        pending = ""

    for part in re.split(r"(^/\*.*?\*/$)", code, flags=re.M | re.S):
        if part.startswith("/*"):
            flush()
            out.append(prose(comment_text(part)))
        else:
            pending += part
    flush()
    return "".join(out)


def header_page(version, header):
    opening = comment_text(re.match(r"/\*.*?\*/", header, re.S).group(0))
    about = re.match(r"gaff\.h -- (.*?)\.?\n", opening).group(1)
    body = header[header.index("/* A run of bytes"):header.rindex("#ifdef __cplusplus")]
    parts = re.split(r"^/\* --- (.*?) -+\s*\*/$", body, flags=re.M)
    out = [head(version, "libgaff", 3, about.replace(":", ",")),
           ".Sh LIBRARY\npkg-config --cflags --libs libgaff\n.Sh SYNOPSIS\n.In gaff.h\n",
           ".Sh DESCRIPTION\n", prose(opening.split("\n", 1)[1]).removeprefix(".Pp\n"),
           ".Ss Types and errors\n", declarations(parts[0])]
    for title, code in zip(parts[1::2], parts[2::2]):
        out.append(f".Ss {title[0].upper()}{title[1:]}\n" + declarations(code))
    out.append(".Sh SEE ALSO\n.Xr gaff 1 ,\n.Xr gaff.yaml 5\n")
    return "".join(out).replace(".Ed\n.Pp\n.Bd", ".Ed\n.Bd")
