/* message.c -- the rules are tried in the order of their file; the first whose type and conditions
 * hold and whose title has all its values is the message. An event without a rule is shown by its
 * type and the first plain values of its body. */
#include "action/message.h"

#include "base/codec.h"
#include "base/embed.h"
#include "base/log.h"

#include <pthread.h>

#define PART_MAX 65536u
#define PLAIN_VALUES_MAX 8
#define PLAIN_VALUE_BYTES 120
#define PLAIN_BODY_BYTES 400

const char *const severity_words[] = {
#define X(name, word) word,
    SEVERITIES(X)
#undef X
        NULL};

struct condition {
    str path, value; /* a glob */
    struct condition *next;
};

struct message_rule {
    str provider, type; /* type is a glob */
    struct condition *when;
    struct message_parts parts;
    struct message_rule *next;
};

struct message_rules {
    struct message_rule *first, **tail;
};

/* --- reading --------------------------------------------------------------------------------- */

static bool is_known(str name, bool is_filter, void *arg)
{
    UNUSED(arg);
    return !is_filter && event_ref_is_known(name);
}

static void read_part(struct template *t, bool *has, struct arena *a, const struct yaml *node,
                      struct problems *p)
{
    str text;
    struct reason why;
    if (!node || !read_str(p, node, &text))
        return;
    if (template_compile(t, a, text, is_known, NULL, &why) != ERR_OK) {
        problem_at(p, node, "%s; known here: " EVENT_REFS_TEXT ", body", why.text);
        return;
    }
    for (size_t i = 0; i < t->count; i++)
        if (t->parts[i].kind == TEMPLATE_REF && event_ref_check(&t->parts[i], &why) != ERR_OK)
            problem_at(p, node, "%s", why.text);
    *has = true;
}

void message_parts_read(struct message_parts *m, struct arena *a, const struct yaml *node,
                        struct problems *p)
{
    const struct yaml *severity = yaml_get(node, STR("severity"));
    *m = (struct message_parts){0};
    read_part(&m->title, &m->has_title, a, yaml_get(node, STR("title")), p);
    read_part(&m->text, &m->has_text, a, yaml_get(node, STR("text")), p);
    read_part(&m->severity, &m->has_severity, a, severity, p);
    read_part(&m->link, &m->has_link, a, yaml_get(node, STR("link")), p);
    int word;
    if (m->has_severity && template_is_constant(&m->severity))
        (void)read_enum(p, severity, severity_words, &word);
}

static struct condition *read_when(struct arena *a, const struct yaml *node, struct problems *p)
{
    struct condition *first = NULL, **tail = &first;
    if (node && node->kind != YAML_MAP) {
        problem_at(p, node, "expected paths and the values they must have: { .action: opened }");
        return NULL;
    }
    for (const struct yaml *one = node ? node->first : NULL; one; one = one->next) {
        struct condition *c = ARENA_NEW(a, struct condition);
        if (!c)
            return first;
        if (!str_starts(one->key, STR(".")))
            problem_at_key(p, one, "expected a path that begins with a dot");
        c->path = arena_str(a, str_slice(one->key, 1, one->key.n));
        if (read_str(p, one, &c->value))
            c->value = arena_str(a, c->value);
        *tail = c;
        tail = &c->next;
    }
    return first;
}

static void add_file(struct message_rules *rules, struct arena *a, const struct yaml *file,
                     struct problems *p)
{
    static const char *const keys[] = {"provider", "messages", NULL};
    static const char *const rule_keys[] = {"type", "when", MESSAGE_KEYS, NULL};
    str provider = STR("");
    const struct yaml *list = yaml_get(file, STR("messages"));
    if (!read_keys(p, file, keys) || !read_str(p, yaml_get(file, STR("provider")), &provider))
        return;
    for (const struct yaml *one = list ? list->first : NULL; one; one = one->next) {
        struct message_rule *r = ARENA_NEW(a, struct message_rule);
        if (!r || !read_keys(p, one, rule_keys))
            return;
        r->provider = arena_str(a, provider);
        r->type = STR("*");
        if (read_str(p, yaml_get(one, STR("type")), &r->type))
            r->type = arena_str(a, r->type);
        r->when = read_when(a, yaml_get(one, STR("when")), p);
        message_parts_read(&r->parts, a, one, p);
        if (!r->parts.has_title)
            problem_at(p, one, "\"title\" is missing");
        *rules->tail = r;
        rules->tail = &r->next;
    }
}

#define RULES_BYTES_MAX (8u << 20)

static struct message_rules embedded_rules = {.tail = &embedded_rules.first};
static struct arena rules_arena;
static pthread_once_t rules_once = PTHREAD_ONCE_INIT;

/* What can be wrong with them is a bug of the build, found by the first test. */
static void read_embedded(void)
{
    struct problems p = {0};
    struct reason why;
    arena_init(&rules_arena, RULES_BYTES_MAX);
    for (size_t i = 0; i < packed_count; i++) {
        const struct packed *f = &packed_files[i];
        if (!str_starts(str_from_cstr(f->name), STR("messages/")))
            continue;
        const struct yaml *file =
            yaml_parse(&rules_arena, str_from_cstr(f->name), packed_text(&rules_arena, f), &why);
        if (!file)
            die("%s", why.text);
        add_file(&embedded_rules, &rules_arena, file, &p);
    }
    if (p.count > 0)
        die("%s", p.v[0].text);
    problems_release(&p);
}

const struct message_rules *message_rules_embedded(void)
{
    (void)pthread_once(&rules_once, read_embedded);
    return &embedded_rules;
}

/* --- making ---------------------------------------------------------------------------------- */

static str resolve(const struct template_part *ref, struct arena *a, void *arg)
{
    return event_ref_resolve(ref, (struct event_refs *)arg, a);
}

static enum err expand(const struct template *t, struct event_refs *refs, struct arena *a, str *out,
                       struct reason *why)
{
    struct buf b;
    buf_init(&b, PART_MAX);
    enum err e = template_expand(t, &b, a, resolve, NULL, refs, why);
    if (e == ERR_OK) {
        *out = arena_str(a, str_trim(buf_str(&b)));
        if (!out->p)
            e = fail(why, ERR_LIMIT, "the message is too large");
    }
    buf_release(&b);
    return e;
}

static bool holds(const struct message_rule *r, struct event_refs *refs, struct arena *a)
{
    const struct event *e = refs->task->event;
    if (!str_eq(r->provider, e->provider) || !str_glob(r->type, e->type))
        return false;
    for (const struct condition *c = r->when; c; c = c->next) {
        const struct json *v = json_path(event_refs_json(refs), c->path);
        if (!v || !str_glob(c->value, json_text(a, v)))
            return false;
    }
    return true;
}

static enum severity severity_of(str word)
{
    for (size_t i = 0; severity_words[i]; i++)
        if (str_eq_nocase(word, str_from_cstr(severity_words[i])))
            return (enum severity)i;
    return SEVERITY_INFO;
}

/* "name: value" of the first plain members; other bodies as they begin. */
static str plain_text(struct event_refs *refs, struct arena *a)
{
    const struct json *root = event_refs_json(refs);
    struct json_iter it = {0};
    str body = refs->task->event->body;
    size_t count = 0;
    if (!root || json_kind_of(root) != JSON_OBJECT) {
        if (!utf8_valid(body))
            return arena_printf(a, "%zu bytes", body.n);
        char cut[64];
        (void)snprintf(cut, sizeof(cut), "trunc:%d", PLAIN_BODY_BYTES);
        return body.p ? template_filter_builtin(str_from_cstr(cut), body, a) : STR("");
    }
    struct buf b;
    buf_init(&b, PART_MAX);
    while (count < PLAIN_VALUES_MAX && json_next(root, &it)) {
        enum json_kind kind = json_kind_of(it.value);
        if (kind == JSON_ARRAY || kind == JSON_OBJECT || kind == JSON_NULL)
            continue;
        str value = template_filter_builtin(STR("line"), json_text(a, it.value), a);
        if (value.n > PLAIN_VALUE_BYTES)
            value = template_filter_builtin(STR("trunc:100"), value, a);
        buf_printf(&b, "%s" STR_FMT ": " STR_FMT, count ? "\n" : "", STR_ARG(it.key),
                   STR_ARG(value));
        count++;
    }
    str out = arena_str(a, buf_str(&b));
    buf_release(&b);
    return out;
}

static void make_plain(struct event_refs *refs, struct arena *a, struct message *out)
{
    const struct event *e = refs->task->event;
    if (e->type.n)
        out->title = arena_printf(a, STR_FMT ": " STR_FMT, STR_ARG(e->source), STR_ARG(e->type));
    else
        out->title = arena_printf(a, "Event from " STR_FMT, STR_ARG(e->source));
    out->text = plain_text(refs, a);
}

static bool make_known(const struct message_rule *r, struct event_refs *refs, struct arena *a,
                       struct message *out)
{
    struct message m = {STR(""), STR(""), STR(""), SEVERITY_INFO};
    str word;
    if (!holds(r, refs, a) || expand(&r->parts.title, refs, a, &m.title, NULL) != ERR_OK)
        return false;
    if (r->parts.has_text && expand(&r->parts.text, refs, a, &m.text, NULL) != ERR_OK)
        m.text = STR("");
    if (r->parts.has_link && expand(&r->parts.link, refs, a, &m.link, NULL) != ERR_OK)
        m.link = STR("");
    if (r->parts.has_severity && expand(&r->parts.severity, refs, a, &word, NULL) == ERR_OK)
        m.severity = severity_of(word);
    *out = m;
    return true;
}

/* A link is shown to people who will click on it. */
static str safe_link(str link)
{
    bool is_http = str_starts(link, STR("https://")) || str_starts(link, STR("http://"));
    for (size_t i = 0; i < link.n; i++)
        if ((unsigned char)link.p[i] <= 0x20 || strchr("<>\"'`|\\", link.p[i]))
            return STR("");
    return is_http ? link : STR("");
}

enum err message_make(const struct message_parts *parts, const struct message_rules *rules,
                      struct event_refs *refs, struct arena *a, struct message *out,
                      struct reason *why)
{
    enum err e = ERR_OK;
    str word = STR("");
    *out = (struct message){STR(""), STR(""), STR(""), SEVERITY_INFO};
    const struct message_rule *r = rules ? rules->first : NULL;
    while (r && !make_known(r, refs, a, out))
        r = r->next;
    if (!r)
        make_plain(refs, a, out);
    if (parts->has_title || parts->has_text)
        out->title = out->text = STR("");
    if (parts->has_title)
        e = expand(&parts->title, refs, a, &out->title, why);
    if (e == ERR_OK && parts->has_text)
        e = expand(&parts->text, refs, a, &out->text, why);
    if (e == ERR_OK && parts->has_link)
        e = expand(&parts->link, refs, a, &out->link, why);
    if (e == ERR_OK && parts->has_severity)
        e = expand(&parts->severity, refs, a, &word, why);
    if (e == ERR_OK && parts->has_severity)
        out->severity = severity_of(word);
    out->link = safe_link(out->link);
    if (e == ERR_OK && !out->title.n && !out->text.n)
        e = fail(why, ERR_INVALID, "the message has neither title nor text for this event");
    return e;
}

str message_summary(const struct message *m)
{
    str rest = m->text;
    return m->title.n ? m->title : str_cut(&rest, '\n');
}

str message_both(const struct message *m, struct arena *a)
{
    if (!m->title.n || !m->text.n)
        return m->title.n ? m->title : m->text;
    return arena_printf(a, STR_FMT "\n" STR_FMT, STR_ARG(m->title), STR_ARG(m->text));
}

str message_and_link(const struct message *m, struct arena *a)
{
    str both = message_both(m, a);
    return m->link.n ? arena_printf(a, STR_FMT "\n" STR_FMT, STR_ARG(both), STR_ARG(m->link))
                     : both;
}
