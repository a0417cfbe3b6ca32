#!/usr/bin/env python3
"""dropin.py -- hooks.json as Debian's webhook serves it: the same configurations and the same bytes
go to both, and status, body, fields, argv, environment and files must be the same. With rounds of
random rules and payloads: GAFF_DROPIN_ROUNDS (200), GAFF_DROPIN_SEED (printed)."""
import sys, os
sys.path.insert(0, os.path.dirname(__file__))
from lib import *
from peers import *
import random
import urllib.parse


def hex_hmac(name, secret, body):
    return hmac.new(secret.encode(), body, getattr(hashlib, name)).hexdigest()


# ---- sources, lookup, arguments, environment, files ----

LOOKUPS = ["a", "a.b", "a.b.c", "a.0", "a.01", "a.-1", "a.+1", "a.0x1", "a.1.x", "list.0", "list.2",
           "list.3", "list.1.k", "list", "n", "t", "f", "nul", "nul.x", "s", "s.x", "", ".", "a.",
           ".a", "a..b", "x.y", "x.y.z", "dot.ted", "dot.ted.deep", "big", "exp", "neg", "uni",
           "html",
           "empty", "empty.x", "root", "root.0", "root.0.a", "obj", "list.18446744073709551616",
           "list.9223372036854775807", "list.00", "list. 0", "CASE", "case"]
PAYLOAD = (b'{"a":{"b":{"c":"deep"},"0":"zero key","":"empty key"},"":{"a":"under empty"},'
           b'"list":[1,{"k":"v"},[true,null]],"n":1.50e2,"t":true,"f":false,"nul":null,"s":"text",'
           b'"x.y":"whole","x":{"y":"split","y.z":"tail"},"dot.ted":{"deep":1},'
           b'"big":123456789012345678901234567890,"exp":1E+2,"neg":-0.0,'
           b'"uni":"\\u00e9\\ud83d\\ude00",'
           b'"html":"<b>&amp;\\u2028</b>","empty":{},'
           b'"obj":{"z":1,"a":[{"q":"\\u0001\\t"}]},"case":"low"}')


def test_lookup_of_every_kind_of_name():
    hooks = [probe(f"l{i}", pass_arguments_to_command=[arg("payload", name)])
             for i, name in enumerate(LOOKUPS)]
    hooks.append(probe("all", pass_arguments_to_command=[arg("payload", n) for n in LOOKUPS
                                                         if "9223372036854775807" not in n]))
    with Pair({"hooks.json": config(*hooks)}) as p:
        for i, name in enumerate(LOOKUPS):
            p.compare(request(path=f"/hooks/l{i}", body=PAYLOAD), name)
        for body in (b'[{"a":1},[2]]', b"[]", b"{}", b'"text"', b"12", b"null", b"true", b"", b"{",
                     b'{"a":1}trailing', b'{"a":1}{"a":2}', b" \t\n[1]", b'{"a":"\xff\xfe"}',
                     b'{"a":"\\ud800x","list":["\\udc00\\ud800"]}', b'{"a":1,"a":2}', b'{"a":01}',
                     b'{"a":.5}', b'{"a":1.}', b'{"a":+1}', b'{"a":NaN}', b"{'a':1}", b'{"a":1,}',
                     b'{"a":"\t"}', b'{"a":"\\x41"}', b'{"a":"\\/"}', b"\xef\xbb\xbf{}",
                     b'{"a":1e400}', b'{"a":-}', b'{"A":1,"a":2}', b'[1,2', b'{"a":"\\u12"}',
                     b'{"a":"\x7f"}', b"\x0b[1]", b"nul", b'{"s":"\\\\ud800"}'):
            p.compare(request(path="/hooks/all", body=body), body)


def test_every_source_of_a_value():
    sources = [arg("header", "x-one"), arg("header", "X-ONE"), arg("header", "Host"),
               arg("header", "content-type"), arg("header", "x bad"), arg("header", "X-Missing"),
               arg("url", "q"), arg("query", "q"), arg("query", "missing"), arg("query", "a.b"),
               arg("query", "empty"), arg("payload", "p"), arg("string", "literal $(x) `y` ;"),
               arg("string", ""), arg("raw-request-body"), arg("request", "method"),
               arg("request", "METHOD"), arg("request", "remote-addr"), arg("request",
               "Remote-Addr"),
               arg("request", "host"), arg("entire-payload"), arg("entire-query"),
               arg("entire-payload", "x"),
               arg("context", "x"), arg("", "x"), arg("Payload", "p"), arg("entire-body")]
    hooks = [probe("args", pass_arguments_to_command=sources, pass_environment_to_command=sources),
             probe("headers", pass_arguments_to_command=[arg("entire-headers")])]
    with Pair({"hooks.json": config(*hooks)}) as p:
        body = b'{"p":"v","z":[1,{"<":">"}]}'
        for query in ("", "?q=1", "?q=1&q=2", "?a.b=dotted&q=%41%20+", "?q=%zz&empty=",
            "?q=a;b&x=1",
                      "?;", "?&&q=1&", "?=v&q", "?q=%00", "?%71=coded", "?q=%ff", "?q=a%3Bb",
                      "?x=1?q=2"):
            p.compare(request(path="/hooks/args" + query, body=body,
                              headers=[("X-One", "first"), ("x-one", "second")]), query)
        for method in ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"):
            p.compare(request(method, "/hooks/args?q=1", body), method)
        for headers in ([("X-Blank", "  padded \t ")], [("x-lower", "v"), ("X-UPPER", "w")],
                        [("X-Empty", "")], [("X-Utf8", "h\u00e9")], [("A_B", "under")],
                        [("x-a.b", "dot"), ("1x", "digit")], [("Cookie", "a=b"), ("Cookie",
                        "c=d")]):
            p.compare(request(path="/hooks/headers", body=body, headers=headers), headers)


def test_arguments_environment_and_files():
    env = [arg("payload", "head.name"), arg("payload", "x-y"), arg("payload", "a", envname="OWN"),
           arg("payload", "missing", envname="ABSENT"), arg("entire-payload"),
           arg("payload", "a", envname="TWICE"), arg("payload", "b", envname="TWICE"),
           arg("string", "v", envname="KEPT"), arg("header", "x-h"), arg("string", "="),
           arg("payload", "nul"), arg("payload", "uni")]
    hooks = [
        probe("env", pass_environment_to_command=env),
        probe("files", pass_file_to_command=[arg("payload", "a", envname="FILE_A"),
                                             arg("payload", "obj", envname="FILE_B")]),
        probe("decoded", pass_file_to_command=[arg("payload", "a", envname="FILE_A",
        base64decode=True)]),
        probe("named", pass_file_to_command=[arg("payload", "data")]),
        probe("nofile", pass_file_to_command=[arg("payload", "missing", envname="FILE_A")]),
        probe("slash", pass_file_to_command=[arg("string", "v", envname="FILE_A/x")]),
        probe("raw", pass_file_to_command=[arg("raw-request-body", envname="FILE_A")]),
        probe("sub", command_working_directory="@DIR@/sub",
              pass_file_to_command=[arg("payload", "a", envname="FILE_A")]),
        probe("gone", pass_arguments_to_command=[arg("payload", "m"), arg("string", "kept"),
                                                 arg("payload", "m2")]),
    ]
    with Pair({"hooks.json": config(*hooks), "sub/keep": ""}) as p:
        bodies = [b'{"a":"A=\\n;$(id)`id`","b":"second","head":{"name":"n"},"x-y":"dash",'
                  b'"nul":null,'
                  b'"obj":{"k":[1]},"data":"\\u0000bin","uni":"\\u00e9"}',
                  b'{"a":"aGVsbG8="}', b'{"a":"aGVsbG8"}', b'{"a":"aGVs bG8="}',
                  b'{"a":"aGVs\\nbG8="}',
                  b'{"a":"!!!!"}', b'{"a":"aGVs!"}', b'{"a":"aGVsbG8==="}', b'{"a":"aGVsbG9="}',
                  b'{"a":""}',
                  b'{"a":"aGVsbG8gd29ybGQ=aGVs"}', b'{"a":[1,2]}', b'{}']
        for name in ("env", "files", "decoded", "named", "nofile", "slash", "raw", "sub", "gone"):
            for body in bodies:
                p.compare(request(path="/hooks/" + name, body=body, headers=[("X-H", "hv")]),
                    (name, body))
        for one in p.both:
            left = [f for f in os.listdir(one.dir) + os.listdir(one.path("sub"))
                    if f.startswith(("FILE_", "HOOK_"))]
            assert not left, (one.kind, left)


def test_what_cannot_be_passed_is_the_same_failure():
    hooks = [probe("nul", pass_arguments_to_command=[arg("payload", "a")]),
             probe("nulenv", pass_environment_to_command=[arg("payload", "a", envname="N")]),
             probe("many", pass_arguments_to_command=[arg("payload", "a"), arg("payload", "a")])]
    with Pair({"hooks.json": config(*hooks)}) as p:
        p.compare(request(path="/hooks/nul", body=b'{"a":"x\\u0000y"}'))
        for n in (131071, 131072, 100000):
            p.compare(request(path="/hooks/many", body={"a": "x" * n}), n)


def test_how_the_command_is_found():
    def hook(name, command, **more):
        return probe(name, execute_command=command, **more)
    hooks = [hook("absolute", "/bin/echo"), hook("path", "echo"), hook("missing",
        "no-such-command"),
             hook("spaces", "echo hello world"), hook("relative", "./probe"), hook("subrel",
             "sub/run"),
             hook("cwd", "run", command_working_directory="@DIR@/sub"),
             hook("cwdpath", "echo", command_working_directory="@DIR@/sub"),
             hook("cwdabs", "/bin/pwd", command_working_directory="@DIR@/sub"),
             hook("cwdgone", "/bin/pwd", command_working_directory="@DIR@/gone"),
             hook("cwdrel", "run", command_working_directory="sub"),
             hook("cwdrelabs", "/bin/pwd", command_working_directory="sub"),
             hook("directory", "@DIR@/sub"), hook("plain", "@DIR@/sub/plain"), hook("empty", ""),
             hook("noexec", "@DIR@/sub/noexec"), hook("dots", "run",
             command_working_directory="@DIR@/sub/../sub/."),
             hook("argv0", "/bin/cat", pass_arguments_to_command=[arg("string",
             "/proc/self/cmdline")]),
             hook("argv0path", "cat", pass_arguments_to_command=[arg("string",
             "/proc/self/cmdline")]),
             hook("badinterp", "@DIR@/sub/badinterp")]
    quietly = [dict(h, id="q-" + h["id"], **{"include-command-output-in-response": False,
                                             "response-message": "sent"}) for h in hooks]
    with Pair({"hooks.json": config(*hooks, *quietly), "sub/run": "#!/bin/sh\necho ran; pwd -P\n",
               "sub/plain": "text", "sub/noexec": "not a script",
               "sub/badinterp": "#!/no/such\n"}) as p:
        for one in p.both:
            for name in ("run", "noexec", "badinterp"):
                os.chmod(one.path("sub/" + name), 0o755)
        for h in hooks + quietly:
            p.compare(request(path="/hooks/" + h["id"]), h["id"])


def test_output_and_exit_of_commands():
    def sh(name, text, **more):
        return {**probe(name, execute_command="/bin/sh",
                        pass_arguments_to_command=[arg("string", "-c"), arg("string", text)]),
                        **more}
    off = {"include-command-output-in-response-on-error": False}
    html = {"response-headers": [{"name": "content-type", "value": "application/json"},
                                 {"name": "X-Extra", "value": "1"}, {"name": "x-extra",
                                 "value": "2"}]}
    hooks = [sh("both", "echo out; echo err >&2; echo out2"), sh("none", ":"), sh("exit3",
        "echo x; exit 3"),
             sh("exit3off", "echo x; exit 3", **off), sh("exit3head", "echo x; exit 3", **off,
             **html),
             sh("signal", "echo x; kill -9 $$"), sh("html", "echo '<html>'", ), sh("json",
             "echo '{}'"),
             sh("png", r"printf '\211PNG\r\n\032\n'"), sh("bin", r"printf '\001\002'"),
             sh("gif", "printf GIF89a"), sh("pdf", "printf %%PDF-1"), sh("xml",
             "echo ' <?xml version=\"1.0\"?>'"),
             sh("big", "head -c 100000 /dev/zero | tr '\\0' x"), sh("code", "echo y",
             **{"success-http-response-code": 201}),
             sh("codeexit", "exit 1", **{"success-http-response-code": 201}),
             sh("c204", "echo gone", **{"success-http-response-code": 204}),
             sh("stdin", "cat; echo end"), sh("fds", "ls /proc/self/fd | wc -l"), sh("headers",
             "echo hi", **html),
             sh("background", "(sleep 0.2; echo late) & echo early"), sh("gz",
             r"printf '\037\213\010'"),
             sh("comment", "echo '<!-- x'"), sh("btag", "echo '<b>'"), sh("bnot", "echo '<bx>'"),
             sh("utf16", r"printf '\377\376a'"), sh("bom", r"printf '\357\273\277a'"), sh("mp4",
             r"printf '\000\000\000\030ftypmp42\000\000\000\000mp41isom'"),
             sh("ttf", r"printf '\000\001\000\000'"), sh("ogg", r"printf 'OggS\000'"), sh("blank",
             "echo; echo"),
             sh("umask", "umask"), sh("limits", "ulimit -c"), sh("newprivs",
             "grep NoNewPrivs /proc/self/status")]
    with Pair({"hooks.json": config(*hooks)}) as p:
        for h in hooks:
            p.compare(request(path="/hooks/" + h["id"]), h["id"])
            if h["id"] in ("both", "none", "html"):
                p.compare(request("HEAD", "/hooks/" + h["id"]), h["id"])


# ---- parsers ----

def test_which_parser_reads_a_body():
    ways = [arg("entire-payload"), arg("raw-request-body"), arg("payload", "a")]
    hooks = [probe("x", pass_arguments_to_command=ways)]
    for i, forced in enumerate(("application/json", "application/x-www-form-urlencoded",
        "text/xml", "text/plain",
                                "multipart/form-data; boundary=b")):
        hooks.append(probe(f"forced{i}", pass_arguments_to_command=ways,
            incoming_payload_content_type=forced))
    types = ["application/json", "application/JSON", "text/json; charset=x", "xmljson",
        "application/x-www-form-urlencoded",
             "x-www-form-urlencoded", "application/xml", "text/xml", "text/plain", "", None,
             "multipart/form-data",
             "multipart/form-data; boundary=b", "multipart/form-data;boundary=b",
             "Multipart/form-data; boundary=b",
             "multipart/form-data; boundary=", "multipart/mixed; boundary=b",
             "application/vnd.api+json", "json"]
    bodies = [b'{"a":"j"}', b"a=f&b=2", b"<a>x</a>",
        b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nm\r\n--b--\r\n', b""]
    with Pair({"hooks.json": config(*hooks)}) as p:
        for hook in hooks:
            for ctype in types if hook["id"] == "x" else types[:1] + [None,
                "multipart/form-data; boundary=b"]:
                for body in bodies:
                    p.compare(request(path="/hooks/" + hook["id"], body=body, ctype=ctype),
                        (hook["id"], ctype, body))
        two = request(path="/hooks/x", body=b'{"a":1}', headers=[("Content-Type", "text/xml")])
        p.compare(two, "two content types")


def test_forms():
    hook = probe("x", pass_arguments_to_command=[arg("entire-payload"), arg("payload", "a"),
        arg("payload", "a.b")])
    with Pair({"hooks.json": config(hook)}) as p:
        for body in (b"a=1", b"a=1&a=2", b"a=%41+%20", b"a=%zz&b=1", b"a=1;b=2", b"&&a=1&", b"=x",
            b"a", b"a=",
                     b"a.b=dot", b"a=%C3%A9", b"a=\xff", b"a=%ff", b"a=1&b=%", b"a=%4", b"%61=x",
                     b"a=b=c", b"+a=1"):
            p.compare(request(path="/hooks/x", body=body,
                ctype="application/x-www-form-urlencoded"), body)


def test_xml():
    hook = probe("x", pass_arguments_to_command=[arg("entire-payload"), arg("payload", "a.b"),
        arg("payload", "a.-id"),
                                                 arg("payload", "a.#text"), arg("payload",
                                                 "a.b.1")])
    with Pair({"hooks.json": config(hook)}) as p:
        for body in ("<a/>", "<a></a>", "<a>t</a>", "<a> t </a>", '<a id="1"/>', '<a id="1">t</a>',
            "<a><b>1</b></a>",
                     "<a><b>1</b><b>2</b></a>", "<a><b>1</b><c/><b>2</b><b><d/></b></a>",
                     "<a>t<b/>u</a>", "<a>t<b>1</b></a>",
                     "<a><b/>u</a>", '<?xml version="1.0"?><a>x</a>',
                     '<?xml version="1.0" encoding="UTF-8"?><a>\u00e9</a>',
                     "<a><![CDATA[<x> &]]></a>", "<a>x<![CDATA[y]]>z</a>",
                     "<a>&lt;&amp;&#65;&#x42;</a>", "<a>&nope;</a>",
                     "<a>x<!-- c -->y</a>", "<a>x<?pi d?>y</a>", "<a><b></a>", "<a", "", "text",
                     "<a/><b/>", "<a/>trailing",
                     '<n:a xmlns:n="u"><n:b n:id="1">x</n:b></n:a>',
                     '<a xmlns="u" x:y="1" xmlns:x="v"/>', "<a>1</a>",
                     "<a>true</a>", "<!-- first --><a>x</a>", "<!DOCTYPE a><a>x</a>",
                     "<a id='1' id2='2'><b/></a>", "<a>\n\t x \n</a>",
                     "<a><b>x</b>\n<b>y</b>\n</a>", "<A><b/></A>", "<a.b>x</a.b>",
                     "<a><-id>1</-id></a>", "<a><b>1</b>text<b>2</b>more</a>",
                     '<a id="1">x<b/>y</a>', "<a b='&lt;'/>", "<a>\x01</a>", "<a></b>", "<a b=1/>",
                     "<a b/>", "<a>x</a><", "  <a>x</a>"):
            p.compare(request(path="/hooks/x", body=body, ctype="application/xml"), body)


def part(name=None, content=b"v", filename=None, ctype=None, extra=b""):
    head = b"Content-Disposition: form-data"
    if name is not None:
        head += b'; name="' + name.encode() + b'"'
    if filename is not None:
        head += b'; filename="' + filename.encode() + b'"'
    if ctype:
        head += b"\r\nContent-Type: " + ctype.encode()
    return b"--b\r\n" + head + b"\r\n" + extra + b"\r\n" + content + b"\r\n"


def test_multipart():
    secret = {"and": [match("payload-hmac-sha256", arg("header", "X-Sig"), secret="k")]}
    hooks = [probe("x", pass_arguments_to_command=[arg("entire-payload"), arg("raw-request-body"),
        arg("payload", "f.k"), arg("payload", "f")]),
             probe("j", pass_arguments_to_command=[arg("entire-payload"), arg("payload", "f.k")],
                   parse_parameters_as_json=[arg("payload", "f")]),
             quiet("sig", trigger_rule=secret)]
    end = b"--b--\r\n"
    bodies = [part("a") + end, part("a") + part("a", b"2") + end, part("f", b'{"k":1}', "x.json",
        "application/json") + end,
              part("f", b'{"k":1}', "x.json", "text/plain") + end, part("f", b'{"k":1}',
              "x.json") + end,
              part("f", b"[1]", "x", "application/json") + end, part("f", b"{", "x",
              "application/json") + end,
              part("f", b"null", "x", "application/json") + end, part("f", b'{"k":2}') + end,
              part("f", b'{"k":1}', "x", "application/json; charset=utf-8") + end,
              part(None) + end, part("") + end,
              part("a") , part("a")[:-2], b"", end,
              b"preamble\r\n" + part("a") + end + b"epilogue", part("a", b"") + end,
              part("a", b"x\r\ny\r\n") + end, part("a", b"--b not") + end, part("a",
              b"\r\n--bx") + end,
              part("a").replace(b"\r\n", b"\n") + b"--b--\n", part("a", filename="") + end,
              part("f", b'{"k":1}', "", "application/json") + end,
              part("f", b'{"k":"file"}', "x", "application/json") + part("f", b"value") + end,
              part("f", b'{"k":1}', "1", "text/plain") + part("f", b'{"k":2}', "2",
              "application/json") + end,
              b"--b\r\nno colon\r\n\r\nv\r\n" + end,
              b"--b\r\nContent-Type: text/plain\r\n\r\nv\r\n" + end,
              b"--b\r\nContent-Disposition: attachment; name=\"a\"\r\n\r\nv\r\n" + end, part("a.b",
              b"dot") + end,
              b"--b  \r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nv\r\n--b--  \r\n",
              b"--c\r\n\r\n--c--\r\n",
              part("a", b"\xff\x00") + end, part("a", b"1", None, "application/json") + end,
              part("a") + b"--b--"]
    with Pair({"hooks.json": config(*hooks)}) as p:
        for hook in ("x", "j"):
            for body in bodies:
                p.compare(request(path="/hooks/" + hook, body=body,
                    ctype="multipart/form-data; boundary=b"), (hook, body))
        body = part("a") + end
        for signed in (b"", body):
            p.compare(request(path="/hooks/sig", body=body, ctype="multipart/form-data; boundary=b",
                              headers=[("X-Sig", hex_hmac("sha256", "k", signed))]), signed)
        p.compare(request(path="/hooks/x?q=%zz", body=body,
            ctype="multipart/form-data; boundary=b"), "bad query")
        p.compare(request(path="/hooks/x", body=body, ctype='multipart/form-data; boundary="b"'),
            "quoted")
        p.compare(request("GET", "/hooks/x", body=body, ctype="multipart/form-data; boundary=b"),
            "GET")


def test_parse_parameters_as_json():
    ways = [arg("entire-payload"), arg("entire-query"), arg("payload", "p.k"), arg("query", "q.k"),
        arg("header", "X-J.k"),
            arg("header", "x-j.Key")]
    lists = {"pay": [arg("payload", "p")], "query": [arg("query", "q"), arg("url", "r")],
        "head": [arg("header", "x-j")],
             "string": [arg("string", '{"k":1}')], "dotted": [arg("payload", "a.b")],
             "raw": [arg("raw-request-body")],
             "missing": [arg("payload", "zz"), arg("payload", "p")],
             "entire": [arg("entire-payload", "p")]}
    hooks = [probe(name, pass_arguments_to_command=ways, parse_parameters_as_json=v) for name,
        v in lists.items()]
    with Pair({"hooks.json": config(*hooks)}) as p:
        for name in lists:
            for value in ('{"k":"v"}', "[1]", "{", "null", '{"k":{"d":[1.0]}}', "5", ""):
                p.compare(request(path=f"/hooks/{name}?q={urllib.parse.quote(value)}&r=%7B%7D",
                                  body={"p": value, "a": {"b": value}, "a.b": value},
                                  headers=[("X-J", value)]), (name, value))


# ---- rules ----

def test_values_and_regular_expressions():
    patterns = ["^a", "b$", "^$", "", "a.c", "(?i)ABC", "^refs/heads/(main|dev)$", "[0-9]{3}",
        "a{,2}", "a{2}", "x{1001}", "(", ")",
                "[", "a**", "a*+", "a{2}{3}", "(?=a)", "(?<!a)b", "(a)\\1", "\\d+", "\\w+\\s\\w+",
                "\\S", "\\bword\\b", "\\Aa", "c\\z",
                "c\\Z", "\\x61", "\\x{61}", "\\141", "\\pL", "\\p{Greek}", "[[:alpha:]]+$",
                "[[:nope:]]", "(?P<n>a)", "(?:a|b)+", "\\Qa.c\\E",
                "(?s).", "(?m)^b$", "^b$", "[^a]", "[]a]", "[^]a]", "a|b|", "(?U)a+", "\\C", "\\h",
                "\\v", "[\\s]", "[\\S]", "[a-\\d]", "[z-a]",
                "a?b??", "\\", "(?#c)a", "(*FAIL)", "a{1,2}", "a{2,1}", "{", "}", "]", "\\{",
                "\\-", "\\_", "\\é", "é", "(?x)a b", "\\0", "\\07", "\\8",
                "^[a-z]+\\.[a-z]+$", "\\.", ".*", ".+", "(?i:A)bc", "(?-i)a", "(?i-s)A", "[\\d-x]",
                "[\\-a]", "[a-]", "[-a]", "\\t", "a\\nb",
                "(a|b)*c", "(a+)+c", "\\u0061", "\\G", "\\K", "(?>a)", "(?|a)", "\\pN",
                "\\p{^Greek}", "\\P{L}", "\\p{Nope}", "(?P=n)", "\\e", "\\a", "$a", "a^"]
    subjects = ["", "a", "abc", "ABC", "a\nb", "refs/heads/main", "aaa", "b\n", "123 456",
        "word up", "é", "αβγ", "a.c", "\x0b", "aab", "a-b", "{", "]\\", "x y", "word.word"]
    hooks = [quiet(f"r{i}", trigger_rule=match("regex", arg("payload", "v"), regex=x)) for i,
        x in enumerate(patterns)]
    hooks += [quiet(f"v{i}", trigger_rule=match("value", arg("payload", "v"), value=x)) for i,
        x in enumerate(["", "a", "<nil>", "true", "1", "[1]"])]
    with Pair({"hooks.json": config(*hooks)}) as p:
        for i, pattern in enumerate(patterns):
            for subject in subjects:
                p.compare(request(path=f"/hooks/r{i}", body={"v": subject}), (pattern, subject))
            p.compare(request(path=f"/hooks/r{i}", body={"w": 1}), (pattern, "missing"))
        for i in range(6):
            for v in ("", "a", None, True, 1, [1], "A", {"x": 1}):
                p.compare(request(path=f"/hooks/v{i}", body={"v": v}), (i, v))


def test_and_or_not_and_their_errors():
    yes, no = match("value", arg("payload", "a"), value="1"), match("value", arg("payload", "a"),
        value="2")
    missing, wrong = match("value", arg("payload", "zz"), value="1"), match("value", arg("nope",
        "x"), value="1")
    badsig = match("payload-hmac-sha1", arg("header", "X-Sig"), secret="k")
    nosig = match("payload-hmac-sha1", arg("header", "X-None"), secret="k")
    nosecret = match("payload-hmac-sha1", arg("header", "X-Sig"), secret="")
    unknown, badre = match("nothing", arg("payload", "a")), match("regex", arg("payload", "a"),
        regex="(")
    badremissing = match("regex", arg("payload", "zz"), regex="(")
    leaves = [yes, no, missing, wrong, badsig, nosig, nosecret, unknown, badre, badremissing, {},
        {"match": {}}]
    rules = [*leaves, {"and": []}, {"or": []}, {"and": None}, {"not": None}, {"match": None}, None]
    for leaf in leaves:
        rules += [{"not": leaf}, {"not": {"not": leaf}}, {"and": [leaf]}, {"or": [leaf]},
            {"or": [{"not": leaf}]}, {"and": [{"not": leaf}]}]
        for other in (yes, no, missing, badsig):
            rules += [{"and": [leaf, other]}, {"or": [leaf, other]}, {"and": [other, leaf]},
                {"or": [other, leaf]}]
    rules += [{"and": [yes], "or": [no]}, {"or": [no], "not": no}, {"not": no,
        "match": no["match"]}, {"AND": [yes]}, {"And": [no], "and": [yes]}]
    hooks = [quiet(f"r{i}", trigger_rule=r) for i, r in enumerate(rules)]
    hooks += [quiet(f"s{i}", trigger_rule=r, trigger_signature_soft_failures=True) for i,
        r in enumerate(rules)]
    hooks += [quiet(f"m{i}", trigger_rule=no, trigger_rule_mismatch_http_response_code=c) for i,
        c in enumerate((0, 400, 403, 999, 600, -1, 418, 204))]
    with Pair({"hooks.json": config(*hooks)}) as p:
        for h in hooks:
            p.compare(request(path="/hooks/" + h["id"], body={"a": 1}, headers=[("X-Sig",
                "sha1=00")]), h)


def test_signatures():
    hooks, body = [], b'{"a":1}'
    for kind in ("hmac", "hash"):
        for name in ("sha1", "sha256", "sha512"):
            hooks.append(quiet(f"{kind}-{name}", trigger_rule=match(f"payload-{kind}-{name}",
                arg("header", "X-Sig"), secret="k\u00e9y")))
    with Pair({"hooks.json": config(*hooks)}) as p:
        for h in hooks:
            name = h["id"].split("-")[1]
            good = hex_hmac(name, "k\u00e9y", body)
            for value in (good, f"{name}={good}", good.upper(), f"{name}={name}={good}", good[:-1],
                good + "0", "", f"{name}=",
                          f"t=1,{name}={good}", f"t=1, {name}={good}", f"t=1,{good}",
                          f"{name}={good},{name}=00", f"{name}=00,{name}={good}",
                          f",{name}={good}", f"{name}={good},", f"sha0={good}",
                          f"{name.upper()}={good}", f" {name}={good} "):
                p.compare(request(path="/hooks/" + h["id"], body=body, headers=[("X-Sig", value)]),
                    (h["id"], value))
            p.compare(request(path="/hooks/" + h["id"], body=b"", headers=[("X-Sig", hex_hmac(name,
                "k\u00e9y", b""))]), "empty")
            p.compare(request(path="/hooks/" + h["id"], body=body), "no header")


def test_addresses():
    ranges = ["127.0.0.1", "127.0.0.0/8", "10.0.0.0/8", "127.0.0.1/32", "10.0.0.1 127.0.0.1",
        "nope", "127.0.0.1/33", "127.0.0.1/", "127.0.0.9/24",
              "::1", "::1/128", "::/0", "0.0.0.0/0", "", "  127.0.0.1  ",
              "10.0.0.1 nope 127.0.0.1", "127.0.0.1 nope", "127.1", "::ffff:127.0.0.1",
              "127.0.0.01", "/8", "127.0.0.1/08", "127.0.0.1/+8"]
    hooks = [quiet(f"i{i}", trigger_rule=match("ip-whitelist", ip_range=r)) for i,
        r in enumerate(ranges)]
    hooks += [quiet(f"n{i}", trigger_rule={"not": match("ip-whitelist", ip_range=r)}) for i,
        r in enumerate(ranges)]
    with Pair({"hooks.json": config(*hooks)}) as p:
        for h in hooks:
            p.compare(request(path="/hooks/" + h["id"]), h)


def test_scalr():
    hooks = [quiet("s", trigger_rule=match("scalr-signature", secret="k")), quiet("e",
        trigger_rule=match("scalr-signature", secret=""))]
    with Pair({"hooks.json": config(*hooks)}) as p:
        for shift in (0, 200, -200, 400, -400):
            for form in ("%a %d %b %Y %H:%M:%S UTC", "%a %d %b %Y %H:%M:%S GMT",
                "%a, %d %b %Y %H:%M:%S GMT", "%d %b %Y", "%A %d %b %Y %H:%M:%S UTC",
                         "%a %d %b %Y %H:%M:%S CEST", "%a %d %b %Y %H:%M:%S"):
                date = time.strftime(form, time.gmtime(time.time() + shift))
                for body in (b"{}", b""):
                    good = hmac.new(b"k", body + date.encode(), hashlib.sha1).hexdigest()
                    for signature in (good, good.upper()):
                        p.compare(request(path="/hooks/s", body=body, headers=[("Date", date),
                            ("X-Signature", signature)]), (date, signature))
        p.compare(request(path="/hooks/s", headers=[("Date", "x")]))
        p.compare(request(path="/hooks/s", headers=[("X-Signature", "x")]))
        p.compare(request(path="/hooks/e", headers=[("X-Signature", "x"), ("Date", "y")]))


# ---- answers, routes, methods, HTTP ----

def test_answers():
    hooks = [quiet("plain"), quiet("none", response_message=""), quiet("html",
        response_message="<html>x"), quiet("json", response_message='{"a":1}'),
             quiet("long", response_message="x" * 5000), quiet("utf8",
             response_message="h\u00e9 \u2713"), quiet("blank", response_message=" \n<html>")]
    hooks += [quiet(f"c{c}", success_http_response_code=c) for c in (200, 201, 202, 204, 226, 301,
        302, 304, 400, 404, 418, 422, 423, 500, 503, 511, 599, 600, 999, -5, 299)]
    names = [[("X-A", "1")], [("x-a", "1"), ("X-A", "2")], [("content-type", "text/x-own")],
        [("X-Global", "hook")], [("bad name", "v")], [("X-Line", "a\nb")],
             [("X-Empty", "")], [("", "v")], [("X-Pad", "  v  ")], [("Server", "mine")]]
    hooks += [quiet(f"h{i}", response_headers=[{"name": n, "value": v} for n, v in x]) for i,
        x in enumerate(names)]
    hooks += [dict(quiet(f"hm{i}", response_headers=[{"name": n, "value": v} for n, v in x]),
        **{"trigger-rule": {"or": []}}) for i, x in enumerate(names)]
    flags = ["-header", "X-Global=global", "-header", "x-two=a=b", "-header=X-Two=later"]
    with Pair({"hooks.json": config(*hooks)}, flags) as p:
        for h in hooks:
            for method in ("POST", "GET", "HEAD"):
                p.compare(request(method, "/hooks/" + h["id"]), h)
        for path in ("/hooks/missing", "/", "/none"):
            p.compare(request(path=path), path)


def test_routes():
    ids = ["a", "a/b", "a b", "\u00e9", "a/b/c", "A", "", "a.json", "x?y", "{id}", "%41", "a+b",
        "trail/", "..", "~t"]
    paths = ["/", "/hooks", "/hooks/", "/hooks/a", "/hooks/A", "/hooks/a/b", "/hooks/a%2Fb",
        "/hooks/a%2fb", "/hooks/a%20b", "/hooks/a+b", "/hooks/%61",
             "/hooks/%C3%A9", "/hooks//a", "//hooks/a", "/hooks/../hooks/a", "/hooks/./a",
             "/hooks/a/", "/hooks/a/b/c/", "/hooks/a/../b", "/hooks/a%2F..%2Fb",
             "/hooks/%2e%2e/x", "/hook", "/hooks2/a", "/Hooks/a", "/hooks/x%3Fy",
             "/hooks/%7Bid%7D", "/hooks/%2541", "/hooks/trail/", "/hooks/trail", "/hooks/a?x=//..",
             "/hooks//a?q=%20", "/other", "/hooks/a.json", "/hooks/%0A", "/hooks/a%0Ab",
             "/hooks/~t", "/hooks/a;b", "/hooks/%ff", "/..", "/hooks/..", "/hooks/b//", "/.",
             "/hooks//%C3%A9 x".replace(" ", "%20"), "/hooks//a!b'c(d)*e", "/hooks//a$&+,:;=@~_-."]
    files = {"hooks.json": config(*[quiet(i, response_message="id " + i) for i in ids])}
    for flags in ([], ["-urlprefix", ""], ["-urlprefix", "a/b"], ["-urlprefix", "/lead"],
        ["-urlprefix=x"]):
        with Pair(files, flags) as p:
            more = ["/a", "/a/b", "/a/b/a", "/a/b/a/b", "/lead/a", "//lead/a", "/x/a",
                "/a%20b"] if flags else []
            for path in paths + more:
                for method in ("POST", "GET"):
                    p.compare(request(method, path), (flags, path))


def test_methods():
    hooks = [quiet("any"), quiet("post", http_methods=["POST"]), quiet("two",
        http_methods=[" get ", "Put"]), quiet("odd", http_methods=["Get"]),
             quiet("none", http_methods=[]), quiet("custom", http_methods=["foo-bar"])]
    for flags in ([], ["-http-methods", " post , put"], ["-http-methods", "GET"]):
        with Pair({"hooks.json": config(*hooks)}, flags) as p:
            for h in hooks:
                for method in ("POST", "GET", "PUT", "Get", "post", "HEAD", "OPTIONS", "DELETE",
                    "FOO-BAR", "TRACE", "X"):
                    p.compare(request(method, "/hooks/" + h["id"]), (flags, h["id"], method))
            p.compare(request("Get", "/"), "root")
            p.compare(request("OPTIONS", "/"), "root")


def test_messages_on_the_wire():
    hook = probe("x", pass_arguments_to_command=[arg("raw-request-body"), arg("payload", "a")])
    with Pair({"hooks.json": config(hook, quiet("q"))}) as p:
        chunked = (b"POST /hooks/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
                   b"Content-Type: application/json\r\n"
                   b"Transfer-Encoding: chunked\r\n\r\n")
        p.compare(chunked + b"0\r\n\r\n", "empty chunked")
        p.compare(chunked + b"3\r\n{\"a\r\n5;ext=1\r\n\":12}\r\n0\r\n\r\n", "chunked")
        p.compare(request("GET", "/hooks/x", b'{"a":"in get"}'), "GET with a body")
        p.compare(request("DELETE", "/hooks/q", b"{}"), "DELETE with a body")
        p.compare(request(path="/hooks/x", body=b'{"a":1}', version="1.0"), "HTTP/1.0")
        p.compare(request(path="/hooks/x", body=b'{"a":1}', headers=[("Content-Type",
            "text/plain"), ("content-type", "text/xml")]), "types")
        p.compare(request(path="/hooks/x", body=b'{"a":1}', headers=[("Expect", "100-continue")]),
            "expect")
        p.compare(request(path="/hooks/x", body=b'{"a":"' + b"x" * 2000000 + b'"}'),
            "two megabytes")
        p.compare(request(path="http://other.example/hooks/q"), "absolute form")
        for raw in (b"POST /hooks/q HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n",
            b"nonsense\r\n\r\n",
                    b"POST /hooks/q HTTP/1.1\r\nHost: h\r\nBad Header: x\r\n\r\n",
                    b"POST /hooks/q HTTP/1.1\r\n\r\n"):
            theirs, ours = p.answers(raw)
            assert theirs["status"] == ours["status"] == 400, (raw, theirs, ours)
            assert theirs["fields"] == ours["fields"], (raw, theirs, ours)
            assert ours["body"].startswith(b"400 Bad Request"), ours


def test_two_requests_on_one_connection():
    files = {"hooks.json": config(quiet("q"), quiet("p", http_methods=["POST"]))}
    with Pair(files) as p:
        for first in (request("GET", "/hooks/p",
            b"body of a get").replace(b"Connection: close\r\n", b""),
                      request("POST", "/hooks/q", b"{}").replace(b"Connection: close\r\n", b"")):
            for one in p.both:
                with socket.create_connection(("127.0.0.1", one.port), timeout=60) as s:
                    s.sendall(first + request("POST", "/hooks/q", b"{}"))
                    out = b""
                    while chunk := s.recv(65536):
                        out += chunk
                assert out.count(b"HTTP/1.1 ") == 2 and out.endswith(b"fired"), (one.kind, out)


# ---- files ----

YAMLS = [
    '[{"id":"@","response-message":"m"}]', '[{"id":"@","response-message":"m",},]',
    '[{"id":"@", # note\n"response-message":"m"}]',
    '[{"id":"@", // note\n"response-message":"m"}]', '\ufeff[{"id":"@"}]',
    '[\t{"id":"@",\t"response-message":"m"}]', '- id: "@"\n  response-message: m\n',
    '- id: "@"\n  response-message: yes\n', '- id: "@"\n  response-message: y\n',
    '- id: "@"\n  response-message: on\n', '- id: "@"\n  response-message: No\n',
    '- id: "@"\n  response-message: 5\n', '- id: "@"\n  response-message: 1.50\n',
    '- id: "@"\n  response-message: 0x10\n', '- id: "@"\n  response-message: 010\n',
    '- id: "@"\n  response-message: 1e3\n', '- id: "@"\n  response-message: 1e+3\n',
    '- id: "@"\n  response-message: 1e+300\n', '- id: "@"\n  response-message: -1.5e+300\n',
    '- id: "@"\n  response-message: 1_000\n', '- id: "@"\n  response-message: 08\n',
    '- id: "@"\n  response-message: 0b11\n', '- id: "@"\n  response-message: 0o17\n',
    '- id: "@"\n  response-message: .5\n', '- id: "@"\n  response-message: 5.\n',
    '- id: "@"\n  response-message: .inf\n', '- id: "@"\n  response-message: .nan\n',
    '- id: "@"\n  response-message: -.inf\n', '- id: "@"\n  response-message: ~\n',
    '- id: "@"\n  response-message: null\n', '- id: "@"\n  response-message:\n',
    '- id: "@"\n  response-message: 2001-01-01\n', '- id: "@"\n  response-message: 12:30:45\n',
    '- id: "@"\n  response-message: 3.14159265358979\n',
    '- id: "@"\n  response-message: 123456789012345678901234567890\n',
    '- id: "@"\n  response-message: 18446744073709551615\n',
    '- id: "@"\n  response-message: -9223372036854775808\n', '- id: "@"\n  response-message: +5\n',
    '- id: "@"\n  response-message: 1e21\n', '- id: "@"\n  response-message: 1.0e-7\n',
    '- id: "@"\n  response-message: 1000000.5\n',
    '- id: "@"\n  response-message: 100000000000000000000000.0\n',
    '- id: "@"\n  response-message: 16777217.0\n',
    '- id: "@"\n  response-message: !!str 5\n', '- id: "@"\n  response-message: !!int "5"\n',
    '- id: "@"\n  response-message: !!binary aGk=\n', '- id: "@"\n  response-message: !own 5\n',
    '- id: "@"\n  response-message: "5"\n', "- id: '@'\n  response-message: 'it''s'\n",
    '- id: "@"\n  response-message: |\n    two\n    lines\n',
    '- id: "@"\n  response-message: >-\n    one\n    line\n',
    '- id: "@"\n  response-message: [1]\n', '- id: "@"\n  response-message: {a: 1}\n',
    '- id: "@"\n  success-http-response-code: "201"\n',
    '- id: "@"\n  success-http-response-code: 201\n',
    '- id: "@"\n  success-http-response-code: 201.0\n',
    '- id: "@"\n  success-http-response-code: 201.5\n',
    '- id: "@"\n  success-http-response-code: 2e+2\n',
    '- id: "@"\n  success-http-response-code: ~\n',
    '- id: "@"\n  include-command-output-in-response: "true"\n',
    '- id: "@"\n  include-command-output-in-response: yes\n',
    '- id: "@"\n  include-command-output-in-response: 1\n',
    '- id: "@"\n  http-methods: POST\n', '- id: "@"\n  http-methods: [POST, 5]\n',
    '- id: "@"\n  http-methods: [POST, ~]\n', '- id: "@"\n  http-methods: [yes]\n',
    '- id: "@"\n  http-methods: ["GET"]\n',
    '- ID: "@"\n  Response-Message: m\n', '- id: "x@"\n  ID: "@"\n', '- Id: "x@"\n  id: "@"\n',
    '- id: "x@"\n  id: "@"\n', '- id: "@"\n  unknown: {a: [1]}\n',
    '- id: "@"\n  execute_command: x\n',
    '- &d {id: "x@", response-message: base}\n- <<: *d\n  id: "@"\n',
    '- &d {id: "x@", response-message: base}\n- id: "@"\n  <<: *d\n',
    '- &d {id: "x@", response-message: "1"}\n- &e {id: "y@", response-message: "2"}\n'
    '- <<: [*d, *e]\n  id: "@"\n',
    '- &m\n  id: "@"\n- id: *m\n', '- id: &i "@"\n  response-message: *i\n',
    '- id: "@"\n  response-message: *none\n', '- id: "@"\n  <<: 5\n',
    '- id: "@"\n---\n- id: "second"\n', '--- \n- id: "@"\n...\n', '%YAML 1.1\n---\n- id: "@"\n',
    '- id: "@"\n\tbad: x\n', '- id: "@"\n bad', '[{"id":"@"}', '{"id":"@"}', '"text"', '5', 'null',
    '', '[]', '[null]', '[5]', '- [1]\n',
    '[{"id":"@","response-message":"a\\u00e9\\n\\t\\""}]',
    '[{"id":"@","response-message":"\\ud83d\\ude00"}]', '[{"id":"@","response-message":"a\\x41"}]',
    '- id: "@"\n  response-message: "a\\\n    b"\n', '? id\n: "@"\n',
    '- ? id\n  : "@"\n', '- id: "@"\n  trigger-rule: []\n',
    '- id: "@"\n  trigger-rule: {and: {}}\n', '- id: "@"\n  trigger-rule: {match: []}\n',
    '- id: "@"\n  trigger-rule: {match: {type: value, value: 1, '
    'parameter: {source: string, name: 1}}}\n',
    '- id: "@"\n  trigger-rule: {match: {type: value, value: true, '
    'parameter: {source: string, name: on}}}\n',
    '- id: "@"\n  trigger-rule: {"and": ["or": [{"match":'
    '{"type":"value","value":"a","parameter":{"source":"string","name":"a"}}}], {"and":[]}]}\n',
    '- id: "@"\n  response-headers: {name: X, value: y}\n',
    '- id: "@"\n  response-headers: [{name: X-N, value: 5}]\n',
    '- id: "@"\n  response-headers: [5]\n',
    '- id: "@"\n  pass-arguments-to-command: [{source: string, name: 5, base64decode: no}]\n',
    '- id: "@"\n  pass-arguments-to-command: [{base64decode: "no"}]\n',
    '- id: "@"\n  pass-arguments-to-command: {source: string}\n',
    '- id: "@"\n  pass-arguments-to-command: [string]\n',
    '- id: "@"\n  pass-arguments-to-command: [~]\n', '- 5: x\n  id: "@"\n',
    '- true: x\n  id: "@"\n', '- ~: x\n  id: "@"\n',
    '[{"id":"@","id2":"\\a"}]', '- id: "@" # end', '- id: @\n',
    '- id: \'@\'\n  response-message: "\\e\\0\\_"\n', '\n\n# comment\n- id: "@"\n',
    '-\n  id: "@"\n', '- {id: "@", response-message: a b c}\n',
    '- {id: "@", response-message: a:b}\n', '- id: "@"\n  response-message: - x\n',
    '- id: "@"\n  response-message: "\\N\\L"\n',
]


def test_files_that_load_and_files_that_do_not():
    files = {f"hooks{i:03}.json": text.replace("@", f"h{i:03}") for i, text in enumerate(YAMLS)}
    with Pair(files) as p:
        for i in range(len(YAMLS)):
            for path in (f"h{i:03}", f"xh{i:03}", f"yh{i:03}"):
                p.compare(request(path="/hooks/" + path, body={}), YAMLS[i])
        for path in ("", "second", "true", "5"):
            p.compare(request(path="/hooks/" + path, body={}), path)


TEMPLATES = ['{{ getenv "X" }}', '{{ getenv "NONE" }}', '{{getenv "X"|js}}', '{{ "a\\"b" | js }}',
    "{{ `raw` }}", '{{ if getenv "X" }}yes{{ else }}no{{ end }}',
             '{{ if getenv "NONE" }}yes{{ else }}no{{ end }}',
             '{{ if false }}a{{ else if getenv "X" }}b{{ else }}c{{ end }}', 'a {{- " b " -}} c',
             '{{/* note */}}x', '{{- /* note */ -}} x', 'a{{ $v := "1" }}{{ $v }}',
             '{{ $v := "1" }}{{ $v = "2" }}{{ $v }}',
             '{{ print "a" "b" 1 2 }}', '{{ println "a" }}', '{{ printf "%s-%d" "a" 5 }}',
             '{{ len "abc" }}', '{{ eq "a" "a" }}', '{{ ne 1 2 }}', '{{ and "a" "" "c" }}',
             '{{ or "" "b" }}', '{{ not true }}', '{{ lt 1 2 }}', '{{ html "<a>&" }}',
             '{{ urlquery "a b&c" }}',
             '{{ (getenv "X") }}', '{{ printf "%s" (print "a" "b") }}', '{{ nope }}',
             '{{ getenv }}', '{{ getenv "X" "Y" }}', '{{ .Field }}', '{{ . }}',
             '{{ if }}{{ end }}', '{{ end }}', '{{ if true }}', '{{', '{{ "a }}',
             '{{ getenv "Q" | js }}', '{{ true }}', '{{ 12 }}', '{{ -3 }}',
             '{{ getenv "JS" | js }}', '{{ $undefined }}', '{{ "}}" }}', "{{ 'a' }}",
             '{{ "a" "b" }}', '{{ eq 1 "a" }}', 'plain', '{{ html "\'" }}']


def test_templates():
    files = {f"hooks{i:03}.json": '[{"id":"h%03d","response-message":"%s"}]' % (i,
        t) if '"' not in t
             else "- id: h%03d\n  response-message: '%s'\n" % (i, t) for i,
             t in enumerate(TEMPLATES)}
    files["hooks-js.json"] = '[{"id":"js","response-message":"{{ getenv "JS" | js }}"}]'
    files["hooks-quote.json"] = '[{"id":"quote","response-message":"{{ getenv "QUOTE" | js }}"}]'
    env = {"X": "value of x", "Q": "a", "JS": 'a"b\\c<d>&=\u00e9\n\t', "QUOTE": "it's"}
    with Pair(files, ["-template"], env) as p:
        for i, text in enumerate(TEMPLATES):
            p.compare(request(path=f"/hooks/h{i:03}"), text)
        p.compare(request(path="/hooks/js"), "js")
        p.compare(request(path="/hooks/quote"), "quote")


# ---- the daemon ----

def ends(pair, args, files=None):
    """Exit codes and stdout of both, started with these flags; -1: it serves."""
    codes = []
    for one in pair:
        line = ARGV0[one.kind] + [a.replace("@PORT@", str(one.port)).replace("@DIR@", one.dir)
                                  for a in args]
        with subprocess.Popen(line, cwd=one.dir, env=one.env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            until(lambda: process.poll() is not None or one.is_up(), "an end or an answer")
            served = process.poll() is None
            if served:
                process.kill()
            out, err = process.communicate()
        told = re.sub(rb"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d", b"<now>", out)
        said = bool(err)
        codes.append(("serves",) if served else (process.returncode, told, said))
    return codes


def test_flags_and_exit_codes():
    need_oracle()
    files = {"hooks.json": config(quiet("a")), "again.json": config(quiet("a")),
        "b.json": config(quiet("b")),
             "empty.json": "[]", "bad.json": "{", "live.pid": str(os.getpid()),
             "dead.pid": "999999999"}
    base = ["-ip", "127.0.0.1", "-port", "@PORT@"]
    cases = [["-h"], ["--help"], ["-nope"], ["-port", "x"], ["-port"], ["-header", "x"],
        ["-verbose=maybe"],
             base, base + ["-verbose"], base + ["--verbose=true"], base + ["-verbose=false"],
             base + ["-verbose=T"],
             ["--ip=127.0.0.1", "--port=@PORT@"], base + ["word", "-nope"], base + ["--", "-nope"],
             ["---port", "1"],
             base + ["-hooks", "missing.json"], base + ["-hooks", "empty.json"], base + ["-hooks",
             "bad.json"],
             base + ["-hooks", "bad.json", "-verbose"], base + ["-hooks", "bad.json", "-nopanic"],
             base + ["-hooks", "hooks.json", "-hooks", "again.json"], base + ["-hooks",
             "hooks.json", "-hooks", "b.json"],
             base + ["-hooks", "hooks.json", "-hooks", "again.json", "-verbose"],
             base + ["-pidfile", "live.pid"],
             base + ["-pidfile", "dead.pid"], base + ["-pidfile", "deep/er/pid"],
             base + ["-setuid", "5"],
             base + ["-setgid", "5"], base + ["-secure"], base + ["-secure", "-tls-min-version",
             "9"],
             ["-ip", "127.0.0.1", "-port", "1", "-hooks", "missing.json"], ["-ip", "203.0.113.77",
             "-port", "@PORT@"],
             base + ["-logfile", "log.txt"], base + ["-logfile", "no/such/dir/log.txt"],
             base + ["-urlprefix="], base + ["-x-request-id", "-x-request-id-limit", "4"],
             ["-cert"]]
    differences = []
    for case in cases:
        pair = [Hooked(kind, files) for kind in ("webhook", "gaff")]
        theirs, ours = ends(pair, case)
        if case in (["-h"], ["--help"]):
            assert ours[0] == theirs[0] == 0, case
        elif theirs != ours:
            differences.append((case, theirs, ours))
        for one in pair:
            one.stop()
    assert not differences, "".join(f"\n{d}" for d in differences)


def test_pid_and_log_files_are_alike():
    need_oracle()
    found = []
    for kind in ("webhook", "gaff"):
        one = Hooked(kind, {"hooks.json": config(quiet("a"))}, ["-pidfile", "run/x/pid"])
        one.start()
        with open(one.path("run/x/pid"), "rb") as f:
            assert f.read() == str(one.process.pid).encode(), kind
        mode = os.stat(one.path("run/x/pid")).st_mode
        one.process.send_signal(signal.SIGTERM)
        found.append((mode, one.process.wait(60), os.path.exists(one.path("run/x/pid"))))
        one.stop()
    assert found[0] == found[1], found


def lines_of(log):
    """The texts of a log, without what differs from run to run."""
    out = []
    for line in log.decode("utf-8", "replace").split("\n"):
        text = re.sub(r"^\[webhook\] \d{4}/\d\d/\d\d \d\d:\d\d:\d\d ", "", line)
        text = re.sub(r"^\[[0-9a-f]{6}\] ", "[id] ", text)
        text = re.sub(r"\| \d[0-9.e+]*(µs|ms|s|ns) \|", "| took |", text)
        out.append(re.sub(r"127\.0\.0\.1:\d+", "<address>", text))
    return out


def test_log_lines_keep_their_wording():
    hooks = [dict(probe("a", execute_command="/bin/echo", pass_arguments_to_command=[arg("payload",
        "m"), arg("string",
        'q"\\')]),
                  **{"success-http-response-code": 999}),
             quiet("no", trigger_rule=match("value", arg("payload", "zz"), value="1")),
             quiet("post", http_methods=["POST"]), probe("gone", execute_command="no such command"),
             probe("fails", execute_command="/bin/false"), probe("typed",
             execute_command="/bin/true")]
    with Pair({"hooks.json": config(*hooks)}) as p:
        for raw in (request(path="/hooks/a", body={}), request(path="/hooks/no", body={}),
                    request("GET", "/hooks/post"), request(path="/hooks/gone"),
                    request(path="/hooks/fails"),
                    request(path="/hooks/typed", ctype="text/strange"),
                    request(path="/hooks/none")):
            p.compare(raw)
        theirs, ours = (lines_of(one.log().replace(one.dir.encode(), b"<dir>")) for one in p.both)
    theirs, ours = ([x for x in side if not x.startswith("version ")] for side in (theirs, ours))
    # What a hook without output prints may come before or after the line of the answer.
    missing = [x for x in theirs if x not in ours]
    assert not missing, "lines that tools may look for are missing:\n" + "\n".join(missing)


def test_reload_by_signal():
    first = config(quiet("a", response_message="one"), quiet("b"))
    with Pair({"hooks.json": first, "hooks2.json": config(quiet("c"))}) as p:
        def reload(text, number, wait):
            for one in p.both:
                before = one.log().count(wait)
                one.write("hooks.json", text)
                one.process.send_signal(number)
                until(lambda: one.log().count(wait) > before, "the reload")
        ids = ["a", "b", "c", "d"]
        for text, wait in ((config(quiet("a", response_message="two")), b"loaded: a"),
                           (config(quiet("d"), quiet("d")), b"reverting"),
                           (config(quiet("c")), b"reverting"), ("{", b"couldn't load"),
                           (config(quiet("d")), b"loaded: d"), ("[]", b"found 0"),
                           (config(quiet("a"), quiet("a", response_message="second")),
                           b"reverting")):
            for number in (signal.SIGHUP, signal.SIGUSR1):
                reload(text, number, wait)
                for name in ids:
                    p.compare(request(path="/hooks/" + name), (text, name))


def test_end_by_signal_leaves_commands_alone():
    hook = quiet("slow", execute_command="@DIR@/slow")
    slow = ("#!/bin/sh\necho $$ > started.tmp; mv started.tmp started\n"
            "while [ ! -e go ]; do sleep 0.05; done; echo > ended\n")
    for number in (signal.SIGTERM, signal.SIGINT):
        with Pair({"hooks.json": config(hook), "slow": slow}) as p:
            for one in p.both:
                os.chmod(one.path("slow"), 0o755)
            p.compare(request(path="/hooks/slow"))
            for one in p.both:
                until(lambda: os.path.exists(one.path("started")), "the command")
                one.process.send_signal(number)
                assert one.process.wait(60) == 0, one.kind
                one.write("go", "")
                until(lambda: os.path.exists(one.path("ended")), "the end of the command")


def test_concurrency_is_not_limited():
    hook = probe("slow", execute_command="/bin/sh", pass_arguments_to_command=[
        arg("string", "-c"), arg("string",
        "echo x >> seen; while [ $(wc -l < seen) -lt 20 ]; do sleep 0.05; done; echo all")])
    with Pair({"hooks.json": config(hook)}) as p:
        for one in p.both:  # each waits until all twenty run
            answers = []
            def ask():
                answers.append(one.send(request(path="/hooks/slow")))

            threads = [threading.Thread(target=ask)
                       for _ in range(20)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            assert [a["body"] for a in answers] == [b"all\n"] * 20, one.kind


# ---- rounds of chance ----

def random_payload(r, depth=0):
    kind = r.randrange(8 if depth < 3 else 5)
    if kind < 2:
        return r.choice(["", "a", "b", "abc", "0", "refs/heads/main", "\u00e9", "<x>",
            "x" * r.randrange(40)])
    if kind == 2:
        return r.choice([0, 1, -5, 1.5, 10 ** 20, 0.1])
    if kind == 3:
        return r.choice([True, False])
    if kind == 4:
        return None
    if kind == 5:
        return [random_payload(r, depth + 1) for _ in range(r.randrange(4))]
    return {r.choice(["a", "b", "c", "a.b", "0", "", "k"]): random_payload(r,
        depth + 1) for _ in range(r.randrange(5))}


def random_parameter(r):
    path = ".".join(r.choice(["a", "b", "c", "k", "0", "1", ""]) for _ in range(r.randrange(1, 4)))
    return r.choice([arg("payload", path), arg("payload", path), arg("payload", "root." + path),
        arg("header", r.choice(["X-A", "x-b", "X-Sig"])),
                     arg("query", r.choice(["q", "a.b"])), arg("string", r.choice(["a", "1"])),
                     arg("entire-payload"), arg("raw-request-body"),
                     arg("request", r.choice(["method", "nope"])), arg("nope", "x")])


def random_rule(r, depth=0):
    kind = r.randrange(10)
    if depth < 3 and kind < 2:
        return {"and": [random_rule(r, depth + 1) for _ in range(r.randrange(4))]}
    if depth < 3 and kind < 4:
        return {"or": [random_rule(r, depth + 1) for _ in range(r.randrange(4))]}
    if depth < 3 and kind < 6:
        return {"not": random_rule(r, depth + 1)}
    leaf = r.randrange(12)
    if leaf < 4:
        return match("value", random_parameter(r), value=r.choice(["a", "b", "1", "0", "true",
            "<nil>", "", "POST", "[]", "{}"]))
    if leaf < 8:
        return match("regex", random_parameter(r), regex=r.choice(["a", "^a$", "", "[0-9]+", "b|c",
            "^refs/", "(", "\\d", "x{2,5}", ".", "^$"]))
    if leaf < 10:
        return match(r.choice(["payload-hmac-sha1", "payload-hmac-sha256", "payload-hash-sha512"]),
            arg("header", "X-Sig"), secret=r.choice(["k", "k", "other", ""]))
    return r.choice([match("ip-whitelist", ip_range=r.choice(["127.0.0.1", "10.0.0.0/8", "bad"])),
        {}, match("nothing", random_parameter(r))])


def random_request(r, path):
    payload = random_payload(r)
    if r.randrange(3):
        payload = {"a": payload, "b": random_payload(r, 1), **(payload if isinstance(payload,
            dict) else {})}
    body = json.dumps(payload).encode()
    sig = hex_hmac(r.choice(["sha1", "sha256", "sha512"]), "k", body)
    if r.randrange(8) == 0:
        body = body[:-1] + b"]"
    headers = [("X-A", r.choice(["a", "1", ""])), ("X-B", "b")]
    if r.randrange(2):
        headers.append(("X-Sig", r.choice([sig, "sha1=" + sig, "sha256=" + sig,
            "t=1,sha512=" + sig])))
    return request(r.choice(["POST", "POST", "GET"]), path + r.choice(["", "?q=a", "?q=1&a.b=b"]),
        body, headers)


def test_rounds_of_random_rules_and_payloads():
    need_oracle()
    seed = int(os.environ.get("GAFF_DROPIN_SEED", "0")) or random.SystemRandom().randrange(1,
        1 << 32)
    rounds = int(os.environ.get("GAFF_DROPIN_ROUNDS", "200"))
    print(f"seed {seed}, {rounds} rounds (GAFF_DROPIN_SEED, GAFF_DROPIN_ROUNDS)", flush=True)
    r = random.Random(seed)
    done = 0
    while done < rounds:
        count = min(200, rounds - done)
        hooks = [quiet(f"r{i}", trigger_rule=random_rule(r),
            trigger_signature_soft_failures=bool(r.randrange(2)),
                       trigger_rule_mismatch_http_response_code=r.choice([0,
                       400])) for i in range(count)]
        echo = [probe(f"p{i}", pass_arguments_to_command=[random_parameter(r) for _ in range(3)],
                      pass_environment_to_command=[random_parameter(r)]) for i in range(count // 8)]
        with Pair({"hooks.json": config(*hooks, *echo)}) as p:
            for h in hooks:
                for _ in range(3):
                    p.compare(random_request(r, "/hooks/" + h["id"]), f"seed {seed}: {h}")
            for h in echo:
                p.compare(random_request(r, "/hooks/" + h["id"]), f"seed {seed}: {h}")
        done += count


if __name__ == "__main__":
    run(globals())
