/* target_read.c -- the file of one target, checked whole: fields, request, results. What a request
 * may hold is decided here, so that rendering can't go wrong: references exist, what is inserted
 * into a URL is escaped, and the host can't be chosen by an event. */
#include "action/target.h"
#include "http/client.h"
#include "http/url.h"

#define FIELDS_MAX 40
#define HEADERS_MAX 20
#define HOSTS_MAX 20
#define TIMEOUT_DEFAULT_MS 10000

const char *const target_kind_words[] = {"notify", "ci", "queue", NULL};
static const char *const verified_words[] = {"account", "docs", "third-party", "memory", NULL};

struct reader {
    struct arena *arena;
    struct target *target;
    struct problems *problems;
};

/* --- references ------------------------------------------------------------------------------ */

enum message_part { PART_TITLE, PART_TEXT, PART_SEVERITY, PART_LINK };

/* Which parts of the message a reference reads. */
static const struct {
    const char *name;
    bool uses[4];
} message_names[] = {
    {"title", {[PART_TITLE] = true}},
    {"text", {[PART_TEXT] = true}},
    {"severity", {[PART_SEVERITY] = true}},
    {"link", {[PART_LINK] = true}},
    {"summary", {[PART_TITLE] = true, [PART_TEXT] = true}},
    {"detail", {[PART_TITLE] = true, [PART_TEXT] = true}},
    {"message", {[PART_TITLE] = true, [PART_TEXT] = true}},
    {"message_and_link", {[PART_TITLE] = true, [PART_TEXT] = true, [PART_LINK] = true}},
};

static bool is_known(str name, bool is_filter, void *arg)
{
    struct reader *r = (struct reader *)arg;
    if (is_filter)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(message_names); i++)
        if (str_eq(name, str_from_cstr(message_names[i].name))) {
            for (size_t k = 0; k < 4; k++)
                r->target->uses[k] = r->target->uses[k] || message_names[i].uses[k];
            return true;
        }
    return str_eq(name, STR("field")) || event_ref_is_known(name);
}

const struct target_field *target_field_find(const struct target *t, str name)
{
    for (size_t i = 0; i < t->field_count; i++)
        if (str_eq(t->fields[i].name, name))
            return &t->fields[i];
    return NULL;
}

static bool is_map(str name, void *arg)
{
    const struct reader *r = (const struct reader *)arg;
    const struct target_field *f = target_field_find(r->target, name);
    return f && f->is_map;
}

static const struct target_scale *scale_find(const struct target *t, str name)
{
    for (size_t i = 0; i < t->scale_count; i++)
        if (str_eq(t->scales[i].name, name))
            return &t->scales[i];
    return NULL;
}

static void check_reference(struct reader *r, const struct yaml *node,
                            const struct template_part *ref)
{
    if (str_eq(ref->text, STR("field"))) {
        const struct target_field *f = target_field_find(r->target, ref->arg);
        if (!f || f->is_map)
            problem_at(r->problems, node, "there is no field \"" STR_FMT "\" with one value",
                       STR_ARG(ref->arg));
        else if (!f->required && !f->initial.p && !ref->optional)
            problem_at(r->problems, node,
                       "the field \"" STR_FMT "\" may be absent: write {{ field:" STR_FMT "? }}",
                       STR_ARG(f->name), STR_ARG(f->name));
    } else if (str_eq(ref->text, STR("severity")) && ref->arg.p) {
        if (!scale_find(r->target, ref->arg))
            problem_at(r->problems, node, "there is no \"" STR_FMT "\" under severity",
                       STR_ARG(ref->arg));
    }
}

/* Every scalar below node, for references that only the finished table of fields can judge. */
static void check_references(struct reader *r, const struct yaml *node)
{
    for (const struct yaml *one = node ? node->first : NULL; one && node->kind != YAML_SCALAR;
         one = one->next)
        check_references(r, one);
    struct template t;
    if (!node || node->kind != YAML_SCALAR ||
        template_compile(&t, r->arena, node->scalar, NULL, NULL, NULL) != ERR_OK)
        return;
    for (size_t i = 0; i < t.count; i++)
        if (t.parts[i].kind == TEMPLATE_REF)
            check_reference(r, node, &t.parts[i]);
}

static bool read_template(struct reader *r, const struct yaml *node, struct template *out)
{
    str text;
    struct reason why;
    if (!node || !read_str(r->problems, node, &text))
        return false;
    if (template_compile(out, r->arena, text, is_known, r, &why) == ERR_OK)
        return true;
    problem_at(r->problems, node, "%s", why.text);
    return false;
}

bool target_field_is_literal(const struct target_field *f)
{
    return f->secret || f->is_url || f->choices;
}

/* --- fields ---------------------------------------------------------------------------------- */

const char *target_field_refuses(const struct target_field *f, str value)
{
    if (f->choices) {
        for (size_t i = 0; i < f->choice_count; i++)
            if (str_eq(f->choices[i].word, value))
                return NULL;
        return "is none of its choices";
    }
    if (f->pattern && !pattern_matches(f->pattern, value))
        return "has not the form that the service gives";
    for (size_t i = 0; i < value.n; i++)
        if (value.p[i] == '\0')
            return "holds a NUL byte";
    return NULL;
}

str target_field_value(const struct target_field *f, str value)
{
    for (size_t i = 0; i < f->choice_count; i++)
        if (str_eq(f->choices[i].word, value))
            return f->choices[i].value;
    return value;
}

/* A list of words, or words and what they stand for. */
static void read_choices(struct reader *r, const struct yaml *node, struct target_field *f)
{
    if (!node)
        return;
    f->choices = ARENA_ARRAY(r->arena, struct target_choice, node->count + 1);
    if (node->kind == YAML_SCALAR || !f->choices) {
        problem_at(r->problems, node, "expected a list of words, or { word: value }");
        return;
    }
    for (const struct yaml *one = node->first; one; one = one->next) {
        struct target_choice *c = &f->choices[f->choice_count++];
        c->word = c->value = STR("");
        (void)read_str(r->problems, one, &c->value);
        c->word = node->kind == YAML_MAP ? one->key : c->value;
    }
}

static void read_field(struct reader *r, const struct yaml *node, struct target_field *f)
{
    static const char *const keys[] = {"about",  "default", "pattern", "choices", "optional",
                                       "secret", "map",     "url",     NULL};
    static const char *const taken[] = {MESSAGE_KEYS, "policy", "timeout", "concurrency", NULL};
    const struct yaml *initial = yaml_get(node, STR("default"));
    const struct yaml *pattern = yaml_get(node, STR("pattern"));
    bool optional = false;
    struct reason why;
    f->name = node->key;
    f->about = STR("");
    for (size_t i = 0; taken[i]; i++)
        if (str_eq(f->name, str_from_cstr(taken[i])))
            problem_at_key(r->problems, node, "\"%s\" has a meaning for every target", taken[i]);
    if (!read_keys(r->problems, node, keys))
        return;
    (void)read_str(r->problems, yaml_get(node, STR("about")), &f->about);
    if (initial)
        (void)read_str(r->problems, initial, &f->initial);
    (void)read_bool(r->problems, yaml_get(node, STR("optional")), &optional);
    (void)read_bool(r->problems, yaml_get(node, STR("secret")), &f->secret);
    (void)read_bool(r->problems, yaml_get(node, STR("map")), &f->is_map);
    (void)read_bool(r->problems, yaml_get(node, STR("url")), &f->is_url);
    f->required = !optional && !initial && !f->is_map;
    read_choices(r, yaml_get(node, STR("choices")), f);
    if (f->about.n == 0)
        problem_at(r->problems, node, "\"about\" is missing: what is the field, and where is it?");
    if (pattern && read_str(r->problems, pattern, &f->pattern_text)) {
        f->pattern = pattern_compile(r->arena, f->pattern_text, &why);
        if (!f->pattern)
            problem_at(r->problems, pattern, "%s", why.text);
    }
    if (initial && !target_field_is_literal(f))
        (void)read_template(r, initial, &f->initial_value);
    if (initial && template_is_constant(&f->initial_value) && target_field_refuses(f, f->initial))
        problem_at(r->problems, initial, "the default %s", target_field_refuses(f, f->initial));
}

static void read_fields(struct reader *r, const struct yaml *node)
{
    struct target *t = r->target;
    if (!node)
        return;
    if (node->kind != YAML_MAP || node->count > FIELDS_MAX) {
        problem_at(r->problems, node, "expected at most %d names of fields", FIELDS_MAX);
        return;
    }
    t->fields = ARENA_ARRAY(r->arena, struct target_field, node->count + 1);
    for (const struct yaml *one = node->first; t->fields && one; one = one->next)
        read_field(r, one, &t->fields[t->field_count++]);
}

static void read_scales(struct reader *r, const struct yaml *node)
{
    struct target *t = r->target;
    t->scales = ARENA_ARRAY(r->arena, struct target_scale, (node ? node->count : 0) + 1);
    for (const struct yaml *one = node ? node->first : NULL; t->scales && one; one = one->next) {
        struct target_scale *s = &t->scales[t->scale_count++];
        s->name = one->key;
        if (!read_keys(r->problems, one, severity_words))
            continue;
        for (size_t i = 0; i < SEVERITY_COUNT; i++) {
            const struct yaml *value = yaml_get(one, str_from_cstr(severity_words[i]));
            if (!value)
                problem_at(r->problems, one, "\"%s\" is missing", severity_words[i]);
            else
                (void)read_str(r->problems, value, &s->values[i]);
        }
    }
}

/* --- the request ----------------------------------------------------------------------------- */

static bool host_allowed(const struct target *t, str host)
{
    for (size_t i = 0; i < t->host_count; i++) {
        str pin = t->hosts[i];
        if (str_eq_nocase(pin, host))
            return true;
        if (str_starts(pin, STR("*.")) && host.n > pin.n - 1 &&
            str_eq_nocase(str_slice(host, host.n - (pin.n - 1), host.n), str_slice(pin, 1, pin.n)))
            return true;
    }
    return false;
}

enum err target_judge_url(const struct target *t, str url, str base, struct reason *why)
{
    struct http_url u, b;
    char host[HTTP_HOST_MAX + 1], base_host[HTTP_HOST_MAX + 1] = "";
    enum err e = http_url_parse(url, &u, why);
    if (e != ERR_OK)
        return e;
    http_url_host(&u, host);
    bool has_dots = http_url_has_dot_segments(url);
    if (has_dots) {
        e = fail(why, ERR_DENIED, "a value would change the path of the URL by . or ..");
    } else if (t->host_field) {
        e = http_url_parse(base, &b, why);
        if (e == ERR_OK) {
            http_url_host(&b, base_host);
            if (strcmp(host, base_host) != 0 || u.port != b.port || u.tls != b.tls)
                e = fail(why, ERR_DENIED, "the request would go to another host than %s",
                         base_host);
        }
        http_url_release(&b);
    } else if (!u.tls) {
        e = fail(why, ERR_DENIED, "the URL must begin with https://");
    } else if (!host_allowed(t, str_from_cstr(host))) {
        e = fail(why, ERR_DENIED,
                 "%s is no host of " STR_FMT ": a request with its secrets goes there only", host,
                 STR_ARG(t->title));
    }
    http_url_release(&u);
    return e;
}

static void read_hosts(struct reader *r, const struct yaml *request, const struct yaml *node)
{
    struct target *t = r->target;
    str prefix = STR("field:");
    if (!node) {
        problem_at(r->problems, request, "\"host-pin\" is missing: which hosts may be called?");
        return;
    }
    if (node->kind == YAML_SCALAR && str_starts(node->scalar, prefix)) {
        str name = str_slice(node->scalar, prefix.n, node->scalar.n);
        t->host_field = target_field_find(t, name);
        if (!t->host_field || !t->host_field->is_url)
            problem_at(r->problems, node, "there is no field \"" STR_FMT "\" with `url: true`",
                       STR_ARG(name));
    } else if (read_str_list(r->problems, r->arena, node, &t->hosts, &t->host_count) &&
               (t->host_count == 0 || t->host_count > HOSTS_MAX)) {
        problem_at(r->problems, node, "expected 1 to %d hosts", HOSTS_MAX);
    }
    for (size_t i = 0; i < t->host_count; i++)
        if (str_find(t->hosts[i], '*') < t->hosts[i].n && !str_starts(t->hosts[i], STR("*.")))
            problem_at(r->problems, node, "a * may stand in the place of the first name only");
}

/* What a reference in a URL becomes for a check at load. */
struct sample {
    const struct target *target;
    const struct target_field *chosen;
    size_t choice;
};

static str sample_value(const struct template_part *ref, struct arena *a, void *arg)
{
    const struct sample *s = (const struct sample *)arg;
    const struct target_field *f =
        str_eq(ref->text, STR("field")) ? target_field_find(s->target, ref->arg) : NULL;
    UNUSED(a);
    if (f && f->choices)
        return f->choices[f == s->chosen ? s->choice : 0].value;
    return f && f->is_url ? STR("https://base.example.org") : STR("x");
}

/* The URL with every choice of every field must lead to a host that is allowed. */
static void check_url_choices(struct reader *r, const struct yaml *node)
{
    struct target *t = r->target;
    const struct template_part *first = &t->url.parts[0];
    bool whole = t->url.count == 1 && first->kind == TEMPLATE_REF;
    if (whole && !t->host_field)
        return; /* the whole URL is the operator's; judged when it is there */
    for (size_t i = 0; i < t->field_count; i++) {
        size_t count = t->fields[i].choices ? t->fields[i].choice_count : i == 0;
        for (size_t k = 0; k < count; k++) {
            struct sample s = {t, &t->fields[i], k};
            struct buf b;
            struct reason why;
            buf_init(&b, HTTP_URL_MAX);
            if (template_expand(&t->url, &b, r->arena, sample_value, NULL, &s, &why) != ERR_OK ||
                target_judge_url(t, buf_str(&b), STR("https://base.example.org"), &why) != ERR_OK)
                problem_at(r->problems, node, "%s", why.text);
            buf_release(&b);
        }
    }
}

static void read_url(struct reader *r, const struct yaml *request, const struct yaml *node)
{
    struct target *t = r->target;
    if (!node)
        problem_at(r->problems, request, "\"url\" is missing");
    if (!node || !read_template(r, node, &t->url))
        return;
    for (size_t i = 0; i < t->url.count; i++) {
        const struct template_part *part = &t->url.parts[i];
        if (part->kind != TEMPLATE_REF)
            continue;
        const struct target_field *f =
            str_eq(part->text, STR("field")) ? target_field_find(t, part->arg) : NULL;
        bool plain = f && ((f->is_url && i == 0) || f->choices);
        str last = part->filter_count ? part->filters[part->filter_count - 1] : STR("");
        bool escaped = str_eq(last, STR("url")) || str_eq(last, STR("path"));
        if (!plain && !escaped)
            problem_at(
                r->problems, node,
                "what is inserted into a URL ends in the filter url or path, but for a field with "
                "`url: true` at its beginning and one with choices");
    }
    if (t->url.count > 0 && (t->host_field || t->host_count > 0))
        check_url_choices(r, node);
}

static void read_headers(struct reader *r, const struct yaml *node)
{
    struct target *t = r->target;
    if (!node)
        return;
    if (node->kind != YAML_MAP || node->count > HEADERS_MAX) {
        problem_at(r->problems, node, "expected at most %d names of headers", HEADERS_MAX);
        return;
    }
    t->headers = ARENA_ARRAY(r->arena, struct target_header, node->count + 1);
    for (const struct yaml *one = node->first; t->headers && one; one = one->next) {
        struct http_field probe = {one->key, STR("x")};
        struct reason why;
        if (http_field_check(&probe, &why) != ERR_OK)
            problem_at_key(r->problems, one, "%s", why.text);
        t->headers[t->header_count].name = one->key;
        if (read_template(r, one, &t->headers[t->header_count].value))
            t->header_count++;
    }
}

static void read_auth(struct reader *r, const struct yaml *node)
{
    static const char *const keys[] = {"bearer", "basic", "sigv4", NULL};
    static const char *const basic[] = {"user", "password", NULL};
    static const char *const sigv4[] = {"service", "region", "key", "secret", "session", NULL};
    struct target *t = r->target;
    if (!node || !read_keys(r->problems, node, keys))
        return;
    const struct yaml *one = node->first;
    if (node->count != 1) {
        problem_at(r->problems, node, "expected one of bearer, basic, sigv4");
        return;
    }
    if (str_eq(one->key, STR("bearer"))) {
        t->auth = AUTH_BEARER;
        (void)read_template(r, one, &t->auth_parts[0]);
        return;
    }
    bool is_basic = str_eq(one->key, STR("basic"));
    const char *const *parts = is_basic ? basic : sigv4;
    t->auth = is_basic ? AUTH_BASIC : AUTH_SIGV4;
    if (!read_keys(r->problems, one, parts))
        return;
    for (size_t i = 0; parts[i]; i++) {
        const struct yaml *part = yaml_get(one, str_from_cstr(parts[i]));
        if (part)
            (void)read_template(r, part, &t->auth_parts[i]);
        else if (strcmp(parts[i], "session") != 0)
            problem_at(r->problems, one, "\"%s\" is missing", parts[i]);
    }
}

static void read_request(struct reader *r, const struct yaml *node)
{
    static const char *const keys[] = {"method", "url",  "host-pin", "query", "headers",
                                       "auth",   "json", "form",     "text",  NULL};
    static const char *const methods[] = {"POST", "PUT", "PATCH", "GET", NULL};
    const struct shape_names names = {is_known, is_map, r};
    const struct yaml *query = yaml_get(node, STR("query")), *json = yaml_get(node, STR("json"));
    const struct yaml *form = yaml_get(node, STR("form")), *text = yaml_get(node, STR("text"));
    struct target *t = r->target;
    int method = 0;
    if (!node) {
        problem_at(r->problems, t->file, "\"request\" is missing");
        return;
    }
    if (!read_keys(r->problems, node, keys))
        return;
    (void)read_enum(r->problems, yaml_get(node, STR("method")), methods, &method);
    t->method = str_from_cstr(methods[method]);
    read_hosts(r, node, yaml_get(node, STR("host-pin")));
    read_url(r, node, yaml_get(node, STR("url")));
    read_headers(r, yaml_get(node, STR("headers")));
    read_auth(r, yaml_get(node, STR("auth")));
    if ((json != NULL) + (form != NULL) + (text != NULL) > 1)
        problem_at(r->problems, node, "a request has one body: json, form or text");
    if (query)
        t->query = shape_read(r->arena, query, true, &names, r->problems);
    if (json)
        t->json = shape_read(r->arena, json, false, &names, r->problems);
    if (form)
        t->form = shape_read(r->arena, form, true, &names, r->problems);
    t->has_text = text && read_template(r, text, &t->text);
    check_references(r, node);
}

/* --- results, limits, the whole -------------------------------------------------------------- */

static struct predicate *read_predicate(struct reader *r, const struct yaml *map, const char *key)
{
    const struct yaml *node = yaml_get(map, str_from_cstr(key));
    str text;
    struct reason why;
    if (!node || !read_str(r->problems, node, &text))
        return NULL;
    struct predicate *p = predicate_compile(r->arena, text, &why);
    if (!p)
        problem_at(r->problems, node, "%s", why.text);
    return p;
}

static void read_result(struct reader *r, const struct yaml *node)
{
    static const char *const keys[] = {"success", "permanent", "retryable", "retry-after",
                                       "id",      "link",      NULL};
    struct target *t = r->target;
    if (node && !read_keys(r->problems, node, keys))
        return;
    t->success = read_predicate(r, node, "success");
    t->permanent = read_predicate(r, node, "permanent");
    t->retryable = read_predicate(r, node, "retryable");
    t->retry_after = read_predicate(r, node, "retry-after");
    t->result_id = read_predicate(r, node, "id");
    t->result_link = read_predicate(r, node, "link");
    if (!t->success)
        problem_at(r->problems, node ? node : t->file,
                   "\"success\" is missing: which answer means that it was taken?");
}

static void read_limits(struct reader *r, const struct yaml *node)
{
    static const char *const keys[] = {"rate", "timeout", "idempotency", NULL};
    struct target *t = r->target;
    t->timeout_ms = TIMEOUT_DEFAULT_MS;
    t->idempotency = STR("");
    t->repeatable = t->kind != TARGET_CI;
    if (!node || !read_keys(r->problems, node, keys))
        return;
    (void)read_rate(r->problems, yaml_get(node, STR("rate")), &t->rate);
    (void)read_duration(r->problems, yaml_get(node, STR("timeout")), 1, 600000, &t->timeout_ms);
    (void)read_str(r->problems, yaml_get(node, STR("idempotency")), &t->idempotency);
    if (t->idempotency.n)
        t->repeatable = !str_eq(t->idempotency, STR("none"));
}

/* Kept as it is; engine/trial.c sends it. */
static void check_test(struct reader *r, const struct yaml *node)
{
    static const char *const keys[] = {"title", "text", "severity", NULL};
    int severity;
    if (!node || !read_keys(r->problems, node, keys))
        return;
    (void)read_enum(r->problems, yaml_get(node, STR("severity")), severity_words, &severity);
}

static void read_head(struct reader *r, str id)
{
    static const char *const keys[] = {"id",     "title",  "kind",    "docs",     "verified-by",
                                       "fields", "result", "limits",  "severity", "deprecated",
                                       "setup",  "test",   "request", "fixtures", NULL};
    struct target *t = r->target;
    int kind = 0, by = 3;
    t->id = t->title = t->docs = t->deprecated = STR("");
    if (!read_keys(r->problems, t->file, keys))
        return;
    (void)read_str(r->problems, yaml_get(t->file, STR("id")), &t->id);
    (void)read_str(r->problems, yaml_get(t->file, STR("title")), &t->title);
    (void)read_str(r->problems, yaml_get(t->file, STR("docs")), &t->docs);
    (void)read_str(r->problems, yaml_get(t->file, STR("deprecated")), &t->deprecated);
    (void)read_enum(r->problems, yaml_get(t->file, STR("kind")), target_kind_words, &kind);
    (void)read_enum(r->problems, yaml_get(t->file, STR("verified-by")), verified_words, &by);
    t->kind = (enum target_kind)kind;
    t->verified_by = str_from_cstr(verified_words[by]);
    if (!str_eq(t->id, id))
        problem_at(r->problems, t->file, "\"id\" must be the file's name, " STR_FMT, STR_ARG(id));
    if (!t->title.n)
        problem_at(r->problems, t->file, "\"title\" is missing: the service's name for people");
}

struct target *target_read(struct arena *a, const struct yaml *file, str id, struct problems *p)
{
    size_t errors = p->errors;
    struct target *t = ARENA_NEW(a, struct target);
    struct reader r = {a, t, p};
    if (!t)
        return NULL;
    t->file = file;
    read_head(&r, id);
    read_fields(&r, yaml_get(file, STR("fields")));
    read_scales(&r, yaml_get(file, STR("severity")));
    read_request(&r, yaml_get(file, STR("request")));
    read_result(&r, yaml_get(file, STR("result")));
    read_limits(&r, yaml_get(file, STR("limits")));
    check_test(&r, yaml_get(file, STR("test")));
    return p->errors == errors ? t : NULL;
}
