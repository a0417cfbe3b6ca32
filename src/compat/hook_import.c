/* hook_import.c -- sources, destinations and routes of the document. What proves who a sender is
 * (signatures, addresses) moves from the rule into the source; import_rule.c writes the rest of
 * the rule as a match. */
#include "compat/hook_import.h"

#include "action/runner.h"
#include "compat/go_path.h"
#include "compat/import_rule.h"

#define SECTION_MAX (8u << 20)
#define NAME_BYTES_MAX 60u

/* --- names ----------------------------------------------------------------------------------- */

/* The id as a name of the configuration; made unique by a number. */
static str make_name(struct arena *a, const struct hook_file *f, const struct hook *h)
{
    char text[NAME_BYTES_MAX + 1];
    size_t n = 0, same = 0;
    for (size_t i = 0; i < h->id.n && n < NAME_BYTES_MAX - 6; i++) {
        char c = h->id.p[i];
        if (c >= 'A' && c <= 'Z')
            c = (char)(c + 32);
        bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (plain)
            text[n++] = c;
        else if (n && text[n - 1] != '-')
            text[n++] = '-';
    }
    while (n && text[n - 1] == '-')
        n--;
    str name = str_of(text, n);
    if (!n || str_eq(name, STR("app")))
        name = arena_printf(a, "hook" STR_FMT, STR_ARG(name));
    for (const struct hook *e = f->hooks; e < h; e++)
        same += hook_file_find(f, e->id) == e && !str_eq(e->id, h->id);
    return same && !str_eq(name, h->id) ? arena_printf(a, STR_FMT "-%zu", STR_ARG(name), h->number)
                                        : arena_str(a, name);
}

/* --- sources --------------------------------------------------------------------------------- */

/* An id that can be written as a path: what is encoded in a URL cannot. */
static bool is_plain_path(str id)
{
    for (size_t i = 0; i < id.n; i++)
        if (id.p[i] <= ' ' || id.p[i] >= 0x7f || strchr("%{}?#\"<>\\", id.p[i]))
            return false;
    return id.n > 0 && str_find_str(id, STR("//")) == id.n && !str_ends(id, STR("/")) &&
           str_find_str(id, STR("..")) == id.n;
}

static void write_path(struct import *m, const struct hook *h)
{
    bool plain = is_plain_path(h->id);
    str id = plain ? h->id : m->name;
    if (!plain)
        import_note(m, "its id cannot be written as a path: the URL is /hooks/" STR_FMT " now",
                    STR_ARG(id));
    buf_str_append(m->out, STR("    path: "));
    import_quote(m->out, arena_printf(&m->arena, "/hooks/" STR_FMT, STR_ARG(id)));
    buf_char(m->out, '\n');
}

static void write_methods(struct import *m, const struct hook *h)
{
    if (!h->method_count) {
        import_note(m, "every method fired this hook, GET and HEAD of link previews too; now only "
                       "POST does. For others: methods: [POST, PUT]");
        return;
    }
    buf_str_append(m->out, STR("    methods: ["));
    for (size_t i = 0; i < h->method_count; i++) {
        buf_str_append(m->out, i ? STR(", ") : STR(""));
        import_quote(m->out, h->methods[i]);
    }
    buf_str_append(m->out, STR("]\n"));
}

static void write_option(struct import *m, const char *key, str value, bool *first)
{
    buf_printf(m->out, "%s%s: ", *first ? "    options: { " : ", ", key);
    import_quote(m->out, value);
    *first = false;
}

static void write_hmac(struct import *m, const struct hook_rule *r)
{
    const char *hash = str_ends(r->type, STR("sha1"))     ? "sha1"
                       : str_ends(r->type, STR("sha256")) ? "sha256"
                                                          : "sha512";
    bool first = true;
    import_note(m, "a wrong signature was answered 500 and a missing one 200; now both are 401");
    import_note(m, "the secret stands here as it stood there; better: secret: \"${env:NAME}\" or "
                   "\"${file:/path}\"");
    buf_str_append(m->out, STR("    provider: hmac\n    secret: "));
    import_quote(m->out, r->secret);
    buf_char(m->out, '\n');
    write_option(m, "header", r->parameter.name, &first);
    write_option(m, "hash", str_from_cstr(hash), &first);
    if (import_prefix_is_usual(r->parameter.name)) {
        write_option(m, "prefix", arena_printf(&m->arena, "%s=", hash), &first);
        import_note_after(m, "the prefix is asked for now; it was optional");
    } else {
        import_note_after(m, "a prefix before the signature was optional; if the sender writes "
                             "one, add it: prefix: \"sha256=\"");
    }
    buf_str_append(m->out, STR(" }\n"));
    import_flush_notes(m);
}

static void write_addresses(struct import *m, const struct hook_rule *r)
{
    str rest = r->ip_range;
    bool first = true;
    import_note(m, "another address was answered as a mismatch; now with 403");
    buf_str_append(m->out, STR("    allow_from: ["));
    while (rest.p) {
        str word = str_cut(&rest, ' ');
        if (!word.n)
            continue;
        buf_str_append(m->out, first ? STR("") : STR(", "));
        import_quote(m->out, word);
        if (str_find(word, ':') < word.n && str_find(word, '/') == word.n)
            import_note_after(m, "a bare IPv6 address stood for its /32; now for itself alone");
        first = false;
    }
    buf_str_append(m->out, STR("]\n"));
    import_flush_notes(m);
}

static void write_proof(struct import *m, const struct import_rule *r)
{
    if (r->signature)
        write_hmac(m, r->signature);
    else if (r->addresses)
        buf_str_append(m->out, STR("    provider: ip\n"));
    else
        buf_str_append(m->out, STR("    provider: none\n"));
    if (r->addresses)
        write_addresses(m, r->addresses);
    if (!r->signature && !r->addresses) {
        import_note(m, "nothing proves who the sender is: whoever knows the URL and meets the "
                       "rule runs the command, as before. A provider with a secret is better");
        buf_str_append(m->out, STR("    insecure: true\n"));
    }
}

static void write_fields(struct import *m, const struct hook *h)
{
    if (!h->response_header_count)
        return;
    buf_str_append(m->out, STR("      headers: {"));
    for (size_t i = 0; i < h->response_header_count; i++) {
        buf_str_append(m->out, i ? STR(", ") : STR(" "));
        import_quote(m->out, h->response_headers[i].name);
        buf_str_append(m->out, STR(": "));
        import_quote(m->out, h->response_headers[i].value);
    }
    buf_str_append(m->out, STR(" }\n"));
}

/* The sender waits for the command. */
static void write_waiting(struct import *m, const struct hook *h)
{
    import_note(m,
                "the answer waits an hour at most, and is what the command wrote to stdout: stderr "
                "is kept with the attempt. A failure is answered with its output too");
    if (h->success_code >= 200 && h->success_code <= 299)
        buf_printf(m->out, "    ack: { when: done, timeout: 1h, status: { 0: %d } }\n",
                   (int)h->success_code);
    else
        buf_str_append(m->out, STR("    ack: { when: done, timeout: 1h }\n"));
    if (h->response_header_count)
        buf_str_append(m->out, STR("    respond:\n"));
    write_fields(m, h);
}

static void write_answer(struct import *m, const struct hook *h)
{
    bool plain = h->success_code >= 200 && h->success_code <= 299;
    if (h->success_code && !plain)
        import_note(m, "the answer's status must be 200 to 299; what was configured is left out");
    if (h->capture_output) {
        write_waiting(m, h);
        return;
    }
    buf_printf(m->out, "    respond:\n      status: %d\n", plain ? (int)h->success_code : 200);
    write_fields(m, h);
    if (plain && h->success_code == 204)
        return;
    buf_str_append(m->out, STR("      body: "));
    import_quote(m->out, h->response_message);
    buf_char(m->out, '\n');
}

static void write_source(struct import *m, const struct hook *h, const struct import_rule *r)
{
    buf_printf(m->out, "  " STR_FMT ": # line %u of the file\n", STR_ARG(m->name), h->line);
    write_path(m, h);
    write_methods(m, h);
    write_proof(m, r);
    buf_str_append(m->out, STR("    dedupe: off\n    body_max: 25MiB\n"));
    if (h->mismatch_code)
        import_note(m, "a mismatch was answered with a code of its own; now the event is stored, "
                       "answered as any other, and no route takes it");
    if (h->json_parameters.count)
        import_note(m, "parse-parameters-as-json has no counterpart: fields inside such a text "
                       "cannot be reached");
    if (h->content_type.n)
        import_note(m, "the parser was forced by incoming-payload-content-type; now a body is JSON "
                       "or a form as its sender says");
    write_answer(m, h);
}

/* --- destinations ---------------------------------------------------------------------------- */

static void write_program(struct import *m, const struct hook *h)
{
    str command = h->execute_command;
    bool named = str_find(command, '/') == command.n && !h->working_directory.n;
    if (!named && !str_starts(command, STR("/"))) {
        str directory = h->working_directory.n ? h->working_directory : m->base;
        if (!str_starts(directory, STR("/")))
            directory = path_join(&m->arena, m->base, directory);
        command = path_join(&m->arena, directory, command);
    }
    import_quote(m->out, command);
}

/* The value of an argument as a template; false when it has none, with a note. */
static bool write_value(struct import *m, const struct hook_argument *a, const char *what)
{
    str source = a->source;
    struct buf text;
    bool ok = true;
    buf_init(&text, 65536);
    if (str_eq(source, STR("string")))
        import_template_literal(&text, a->name);
    else if (str_eq(source, STR("payload")) && !m->is_form)
        buf_printf(&text, "{{ ." STR_FMT "? }}", STR_ARG(import_path(a->name)));
    else if (str_eq(source, STR("header")))
        buf_printf(&text, "{{ header:" STR_FMT "? }}", STR_ARG(a->name));
    else if (str_eq(source, STR("url")) || str_eq(source, STR("query")))
        buf_printf(&text, "{{ query:" STR_FMT "? }}", STR_ARG(a->name));
    else
        ok = false;
    if (ok && !str_eq(source, STR("string")) && !import_can_refer(a->name))
        ok = false;
    if (ok)
        import_quote(m->out, buf_str(&text));
    else
        import_note_after(m,
                          "%s took " STR_FMT " \"" STR_FMT "\", which cannot be passed so; the "
                          "body is on standard input",
                          what, STR_ARG(source), STR_ARG(a->name));
    m->wants_stdin = m->wants_stdin || !ok;
    buf_release(&text);
    return ok;
}

static void write_arguments(struct import *m, const struct hook *h)
{
    bool from_event = false;
    buf_str_append(m->out, STR("      command: ["));
    write_program(m, h);
    for (size_t i = 0; i < h->arguments.count; i++) {
        const struct hook_argument *a = &h->arguments.v[i];
        from_event = from_event || !str_eq(a->source, STR("string"));
        buf_str_append(m->out, STR(", "));
        if (!write_value(m, a, "an argument"))
            buf_str_append(m->out, STR("\"\"")); /* its place is kept */
    }
    buf_str_append(m->out, STR("]\n"));
    if (from_event)
        import_note_after(m, "a value of the event that begins with '-' is refused; if the program "
                             "takes \"--\", put that before it");
    import_flush_notes(m);
}

static bool variable_name(struct arena *a, const struct hook_argument *arg, str *out)
{
    str name = arg->envname.n ? arg->envname : arena_printf(a, "HOOK_" STR_FMT, STR_ARG(arg->name));
    char *text = arena_cstr(a, name);
    bool same = true;
    for (size_t i = 0; text && i < name.n; i++) {
        char c = text[i];
        bool plain = c == '_' || (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
        if (!plain) {
            text[i] = '_';
            same = false;
        }
    }
    *out = text ? str_of(text, name.n) : STR("HOOK");
    return same;
}

static bool is_repeated(struct import *m, const struct hook_arguments *list, size_t at)
{
    str name, other;
    (void)variable_name(&m->arena, &list->v[at], &name);
    for (size_t i = at + 1; i < list->count; i++) {
        (void)variable_name(&m->arena, &list->v[i], &other);
        if (str_eq(name, other))
            return true;
    }
    return false;
}

static void write_environment(struct import *m, const struct hook *h)
{
    bool any = false;
    for (size_t i = 0; i < h->environment.count; i++) {
        const struct hook_argument *a = &h->environment.v[i];
        str name;
        if (is_repeated(m, &h->environment, i)) /* the later one won */
            continue;
        bool same = variable_name(&m->arena, a, &name);
        struct buf line;
        struct buf *out = m->out;
        buf_init(&line, 65536);
        m->out = &line;
        bool has = write_value(m, a, "a variable");
        m->out = out;
        if (has) {
            buf_str_append(m->out, any ? STR("") : STR("      env:\n"));
            buf_printf(m->out, "        " STR_FMT ": " STR_FMT "\n", STR_ARG(name),
                       STR_ARG(buf_str(&line)));
            any = true;
        }
        if (has && !same)
            import_note_after(m,
                              "HOOK_" STR_FMT " is " STR_FMT " now: names are letters, digits "
                              "and _",
                              STR_ARG(a->name), STR_ARG(name));
        buf_release(&line);
    }
    if (any)
        import_note_after(m, "a missing value is an empty variable now; it was none at all");
    import_flush_notes(m);
}

static void write_files(struct import *m, const struct hook *h)
{
    size_t written = 0;
    for (size_t i = 0; i < h->files.count; i++) {
        const struct hook_argument *a = &h->files.v[i];
        struct buf line, *out = m->out;
        str name;
        (void)variable_name(&m->arena, a, &name);
        for (size_t k = 0; !a->envname.n && k < name.n; k++)
            if (name.p[k] >= 'a' && name.p[k] <= 'z')
                ((char *)(uintptr_t)name.p)[k] -= 'a' - 'A';
        if (a->base64decode || written == RUNNER_FILES_MAX) {
            import_note_after(m,
                              "the file " STR_FMT " is left out: its text was base64, or there "
                              "are more than %d",
                              STR_ARG(name), RUNNER_FILES_MAX);
            continue;
        }
        buf_init(&line, 65536);
        m->out = &line;
        bool has = write_value(m, a, "a file");
        m->out = out;
        if (has)
            buf_printf(m->out, "%s        " STR_FMT ": " STR_FMT "\n",
                       written++ ? "" : "      files:\n", STR_ARG(name), STR_ARG(buf_str(&line)));
        buf_release(&line);
    }
    if (written)
        import_note_after(m, "a file is /dev/fd/N now: it has no name in a directory");
    import_flush_notes(m);
}

static void write_destination(struct import *m, const struct hook *h)
{
    buf_printf(m->out, "  " STR_FMT ":\n    exec:\n", STR_ARG(m->name));
    m->wants_stdin = false;
    write_arguments(m, h);
    write_environment(m, h);
    write_files(m, h);
    if (h->working_directory.n) {
        buf_str_append(m->out, STR("      cwd: "));
        import_quote(m->out, h->working_directory);
        buf_char(m->out, '\n');
    }
    buf_printf(m->out, "      stdin: %s\n      timeout: 1h\n      concurrency: 16\n",
               m->wants_stdin ? "body" : "none");
    buf_str_append(m->out,
                   STR("    retry: { attempts: 1 } # as before; without this line a command "
                       "that fails runs again\n"));
}

/* --- the document ---------------------------------------------------------------------------- */

static void write_head(struct buf *out, const struct hook_file *f)
{
    buf_printf(
        out,
        "# Written by `gaff import adnanh " STR_FMT "`.\n"
        "#\n"
        "# What is different for every hook:\n"
        "# - A request is stored before it is answered; its command runs after that.\n"
        "#   `gaff events ls` shows it, `gaff explain ID` says why it ran or did not.\n"
        "# - A rule that does not hold was answered \"Hook rules were not satisfied.\"; now\n"
        "#   the event is stored, answered as any other, and goes nowhere.\n"
        "# - Commands got the daemon's whole environment; now they get PATH, HOME, LANG,\n"
        "#   GAFF_* and what is named here. Add pass_env: [NAME] for more.\n"
        "# - Commands had no deadline; now they have an hour, 16 at once for each hook.\n"
        "# - A JSON null was passed as <nil>, now as nothing; objects keep the order of\n"
        "#   their members. Bodies end at 25 MiB.\n"
        "# - A command is looked up when this file is read, not at each request.\n"
        "# Notes on single hooks begin with \"note:\".\n"
        "\n"
        "listen: 0.0.0.0:9000\n",
        STR_ARG(f->path));
}

static void write_hook(struct import *m, const struct hook *h, struct buf sections[3])
{
    struct import_rule rule;
    const char *why = import_rule_split(&rule, h, &m->arena);
    m->out = &sections[0];
    if (why) {
        buf_printf(m->out, "  # note: hook \"");
        import_comment(m->out, h->id);
        buf_printf(m->out, "\" (line %u) is left out: %s\n", h->line, why);
        m->done->left_out++;
        m->done->notes++;
        return;
    }
    m->is_form = rule.is_form;
    write_source(m, h, &rule);
    m->out = &sections[1];
    write_destination(m, h);
    m->out = &sections[2];
    buf_printf(m->out, "  - name: " STR_FMT "\n    from: " STR_FMT "\n", STR_ARG(m->name),
               STR_ARG(m->name));
    import_rule_write(m, &rule);
    buf_printf(m->out, "    to: [" STR_FMT "]\n", STR_ARG(m->name));
}

void hook_import_write(const struct hook_file *f, const char *base, struct buf *out,
                       struct hook_import *done)
{
    static const char *const titles[] = {"sources", "destinations", "routes"};
    struct buf sections[3];
    struct import m = {.base = str_from_cstr(base), .done = done};
    *done = (struct hook_import){0};
    arena_init(&m.arena, SECTION_MAX);
    buf_init(&m.notes, SECTION_MAX);
    for (size_t i = 0; i < ARRAY_LEN(sections); i++)
        buf_init(&sections[i], SECTION_MAX);
    write_head(out, f);
    for (size_t i = 0; i < f->count; i++) {
        const struct hook *h = &f->hooks[i];
        if (hook_file_find(f, h->id) != h) {
            buf_printf(&sections[0],
                       "  # note: the hook of line %u is left out: its id stands "
                       "before it, and the first one won\n",
                       h->line);
            done->left_out++;
            continue;
        }
        done->hooks++;
        m.name = make_name(&m.arena, f, h);
        write_hook(&m, h, sections);
    }
    bool written = sections[1].len > 0;
    for (size_t i = 0; i < ARRAY_LEN(sections); i++) {
        if (written || i == 0)
            buf_printf(out, "\n%s:%s\n" STR_FMT, titles[i], written ? "" : " {}",
                       STR_ARG(buf_str(&sections[i])));
        buf_release(&sections[i]);
    }
    buf_release(&m.notes);
    arena_release(&m.arena);
}
