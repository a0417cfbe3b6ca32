/* action_target.c -- one destination of a target: its fields read and checked once, a request made
 * of them for each event, the answer judged by the target's conditions. */
#include "action/action_target.h"

#include "base/log.h"

#define CONCURRENCY_DEFAULT 4
#define RECORD_MAX (192u << 10)
#define FIELD_TEXT_MAX 65536u
#define ENTRIES_MAX 100

struct field_config {
    struct template value; /* of a field that may hold references */
    str literal;           /* of one that may not; STR_NONE: not given, or a template */
    bool given;
    struct template *entries; /* of a map */
    str *keys;
    size_t entry_count;
};

struct target_config {
    struct action_config base;
    struct action_kind kind; /* named like the target */
    const struct target *target;
    struct message_parts message;
    struct field_config *fields; /* by index of the target's */
    enum outbound_policy policy;
};

struct target_action {
    struct action action;
    const struct target_config *config;
    struct http_client *client;
    const struct clock *clock;
    struct buf record; /* of the attempt that ends */
};

struct target_attempt { /* in the task's arena */
    struct http_call call;
    struct target_action *action;
    struct task *task;
    const str *secrets; /* the fields' values */
};

static struct action *target_create(const struct action_config *c, const struct action_context *ctx,
                                    struct reason *why);

/* --- configuration --------------------------------------------------------------------------- */

static bool is_known(str name, bool is_filter, void *arg)
{
    UNUSED(arg);
    return !is_filter && event_ref_is_known(name);
}

static bool read_template(struct arena *a, const struct yaml *node, struct template *out,
                          struct problems *p)
{
    str text;
    struct reason why;
    if (!read_str(p, node, &text))
        return false;
    enum err e = template_compile(out, a, text, is_known, NULL, &why);
    if (e != ERR_OK)
        problem_at(p, node, "%s; known here: " EVENT_REFS_TEXT, why.text);
    for (size_t i = 0; e == ERR_OK && i < out->count; i++)
        if (out->parts[i].kind == TEMPLATE_REF && event_ref_check(&out->parts[i], &why) != ERR_OK)
            problem_at(p, node, "%s", why.text);
    return e == ERR_OK;
}

static void read_entries(struct arena *a, const struct yaml *node, struct field_config *c,
                         struct problems *p)
{
    if (node->kind != YAML_MAP || node->count > ENTRIES_MAX) {
        problem_at(p, node, "expected at most %d names and their values", ENTRIES_MAX);
        return;
    }
    c->entries = ARENA_ARRAY(a, struct template, node->count + 1);
    c->keys = ARENA_ARRAY(a, str, node->count + 1);
    for (const struct yaml *one = node->first; c->entries && c->keys && one; one = one->next) {
        c->keys[c->entry_count] = one->key;
        if (read_template(a, one, &c->entries[c->entry_count], p))
            c->entry_count++;
    }
}

static void read_choice(const struct yaml *node, const struct target_field *f, struct problems *p)
{
    char value[VALUE_TEXT_MAX];
    struct buf words;
    struct nearest near;
    buf_init(&words, 1024);
    nearest_init(&near, node->scalar);
    for (size_t i = 0; i < f->choice_count; i++) {
        buf_printf(&words, "%s" STR_FMT, i ? ", " : "", STR_ARG(f->choices[i].word));
        nearest_offer(&near, f->choices[i].word);
    }
    str best = nearest_word(&near);
    problem_at(p, node, "expected one of %s; found %s%s" STR_FMT "%s", buf_cstr(&words),
               value_text(node, value), best.p ? "; did you mean \"" : "", STR_ARG(best),
               best.p ? "\"?" : "");
    buf_release(&words);
}

static void read_field(struct arena *a, const struct yaml *node, const struct target_field *f,
                       struct field_config *c, struct problems *p)
{
    c->given = true;
    if (f->is_map) {
        read_entries(a, node, c, p);
        return;
    }
    str text;
    if (!target_field_is_literal(f)) {
        if (!read_template(a, node, &c->value, p) || !template_is_constant(&c->value))
            return;
        text = node->scalar;
    } else {
        if (!read_str(p, node, &text))
            return;
        c->literal = text;
        if (str_find_str(text, STR("{{")) < text.n)
            problem_at(p, node, "\"" STR_FMT "\" can't come from an event: write the value itself",
                       STR_ARG(f->name));
    }
    const char *wrong = target_field_refuses(f, text);
    if (text.n == 0 && f->required)
        problem_at(p, node, "\"" STR_FMT "\" is empty", STR_ARG(f->name));
    else if (wrong && f->choices)
        read_choice(node, f, p);
    else if (wrong)
        problem_at(p, node, "\"" STR_FMT "\" %s%s" STR_FMT "%s", STR_ARG(f->name), wrong,
                   f->pattern_text.n ? " (" : "", STR_ARG(f->pattern_text),
                   f->pattern_text.n ? ")" : "");
}

/* The keys that mean something for this target, NULL-terminated. */
static const char *const *known_keys(const struct target *t, struct arena *a)
{
    static const char *const parts[] = {MESSAGE_KEYS};
    const char **v = ARENA_ARRAY(a, const char *, t->field_count + ARRAY_LEN(parts) + 2);
    size_t n = 0;
    for (size_t i = 0; v && i < t->field_count; i++)
        v[n++] = arena_cstr(a, t->fields[i].name);
    for (size_t i = 0; v && i < ARRAY_LEN(parts); i++)
        if (t->uses[i])
            v[n++] = parts[i];
    if (v && t->host_field)
        v[n++] = "policy";
    return v;
}

/* An address that the operator wrote must be one that the target may be called at. */
static void check_address(const struct target_config *c, const struct yaml *node,
                          struct problems *p)
{
    const struct target *t = c->target;
    struct reason why = {.text = ""};
    for (size_t i = 0; i < t->field_count; i++) {
        str value = c->fields[i].literal;
        const struct yaml *place = yaml_get(node, t->fields[i].name);
        if (!t->fields[i].is_url || !place || !value.p || value.n == 0)
            continue;
        enum err e = http_url_check(value, c->policy, &why);
        if (e == ERR_OK && !t->host_field)
            e = target_judge_url(t, value, STR(""), &why);
        if (e == ERR_OK && t->host_field && str_ends(value, STR("/")))
            e = fail(&why, ERR_INVALID, "write the address without the slash at its end");
        if (e != ERR_OK)
            problem_at(p, place, "\"" STR_FMT "\": %s", STR_ARG(t->fields[i].name), why.text);
    }
}

static void read_fields(struct target_config *c, struct arena *a, const struct yaml *node,
                        struct problems *p)
{
    const struct target *t = c->target;
    for (size_t i = 0; i < t->field_count; i++) {
        const struct target_field *f = &t->fields[i];
        const struct yaml *one = yaml_get(node, f->name);
        c->fields[i].literal = STR_NONE;
        if (one)
            read_field(a, one, f, &c->fields[i], p);
        else if (f->required)
            problem_at(p, node, "\"" STR_FMT "\" is missing: " STR_FMT, STR_ARG(f->name),
                       STR_ARG(f->about));
    }
}

struct action_config *action_target_read(const struct target *t, struct arena *a,
                                         const struct yaml *node, struct problems *p)
{
    static const char *const policies[] = {"private", "public", NULL};
    size_t before = p->errors;
    int policy = t->host_field ? 0 : 1;
    struct target_config *c = ARENA_NEW(a, struct target_config);
    const char *const *keys = known_keys(t, a);
    struct field_config *fields = ARENA_ARRAY(a, struct field_config, t->field_count + 1);
    if (!c || !keys || !fields || !read_keys(p, node, keys))
        return NULL;
    c->target = t;
    c->fields = fields;
    if (t->deprecated.n)
        problem_warn(p, node, STR_FMT ": " STR_FMT, STR_ARG(t->title), STR_ARG(t->deprecated));
    (void)read_enum(p, yaml_get(node, STR("policy")), policies, &policy);
    c->policy = policy == 0 ? OUTBOUND_PRIVATE : OUTBOUND_PUBLIC;
    read_fields(c, a, node, p);
    check_address(c, node, p);
    message_parts_read(&c->message, a, node, p);
    c->kind = (struct action_kind){.name = arena_cstr(a, t->id), .create = target_create};
    c->base = (struct action_config){.kind = &c->kind,
                                     .timeout_ms = t->timeout_ms,
                                     .default_concurrency = CONCURRENCY_DEFAULT,
                                     .default_rate = t->rate,
                                     .uses_client = true,
                                     .data = c};
    return p->errors == before ? &c->base : NULL;
}

const struct target *action_target_of(const struct action_config *c)
{
    return c->kind->create == target_create ? ((const struct target_config *)c->data)->target
                                            : NULL;
}

/* --- one request ----------------------------------------------------------------------------- */

static str resolve(const struct template_part *ref, struct arena *a, void *arg)
{
    return event_ref_resolve(ref, (struct event_refs *)arg, a);
}

static enum err expand(const struct template *t, struct event_refs *refs, struct arena *a, str *out,
                       str name, struct reason *why)
{
    struct buf b;
    struct reason inner = {.text = ""};
    buf_init(&b, FIELD_TEXT_MAX);
    enum err e = template_expand(t, &b, a, resolve, NULL, refs, &inner);
    *out = e == ERR_OK ? arena_str(a, buf_str(&b)) : STR_NONE;
    buf_release(&b);
    if (e != ERR_OK)
        return fail(why, e, STR_FMT ": %s", STR_ARG(name), inner.text);
    return out->p ? ERR_OK : fail(why, ERR_LIMIT, STR_FMT " is too long", STR_ARG(name));
}

static enum err expand_entries(const struct field_config *f, struct event_refs *refs,
                               struct arena *a, struct target_entries *out, struct reason *why)
{
    str *values = ARENA_ARRAY(a, str, f->entry_count + 1);
    enum err e = values ? ERR_OK : fail(why, ERR_LIMIT, "the event is too large to be sent");
    for (size_t i = 0; e == ERR_OK && i < f->entry_count; i++)
        e = expand(&f->entries[i], refs, a, &values[i], f->keys[i], why);
    *out = (struct target_entries){f->entry_count, f->keys, values};
    return e;
}

static enum err expand_fields(const struct target_config *c, struct event_refs *refs,
                              struct arena *a, str *values, struct target_entries *maps,
                              struct reason *why)
{
    enum err e = ERR_OK;
    for (size_t i = 0; e == ERR_OK && i < c->target->field_count; i++) {
        const struct field_config *f = &c->fields[i];
        const struct target_field *known = &c->target->fields[i];
        values[i] = f->literal;
        if (!f->given && known->initial.p && !target_field_is_literal(known))
            e = expand(&known->initial_value, refs, a, &values[i], known->name, why);
        else if (f->entries)
            e = expand_entries(f, refs, a, &maps[i], why);
        else if (f->given && !f->literal.p)
            e = expand(&f->value, refs, a, &values[i], known->name, why);
    }
    return e;
}

static enum err render(const struct target_config *c, const struct task *t, const str **secrets,
                       struct target_request *out, struct reason *why)
{
    struct arena *a = t->arena;
    size_t n = c->target->field_count + 1;
    str *values = ARENA_ARRAY(a, str, n);
    struct target_entries *maps = ARENA_ARRAY(a, struct target_entries, n);
    struct event_refs refs = {.task = t};
    struct message message;
    if (!values || !maps)
        return fail(why, ERR_LIMIT, "the event is too large to be sent");
    enum err e = expand_fields(c, &refs, a, values, maps, why);
    if (e == ERR_OK)
        e = message_make(&c->message, message_rules_embedded(), &refs, a, &message, why);
    const struct target_values v = {.target = c->target,
                                    .fields = values,
                                    .maps = maps,
                                    .message = &message,
                                    .refs = &refs,
                                    .now_ms = t->now_ms};
    if (e == ERR_OK)
        e = target_render(&v, a, out, why);
    event_refs_release(&refs);
    *secrets = values;
    return e;
}

enum err action_target_render(const struct action_config *c, const struct task *t,
                              struct target_request *out, struct reason *why)
{
    const str *secrets;
    return render((const struct target_config *)c->data, t, &secrets, out, why);
}

static void write_record(struct target_attempt *x, const struct http_answer *answer,
                         struct outcome *o)
{
    const struct target *t = x->action->config->target;
    struct buf *b = &x->action->record, response;
    buf_release(b);
    buf_init(b, RECORD_MAX);
    buf_init(&response, RECORD_MAX);
    struct http_call shown = x->call;
    shown.url = target_shown_url(t, x->call.url, x->task->arena);
    http_record_request(b, &shown);
    buf_append(b, "\r\n", 2);
    buf_str_append(b, x->call.body);
    http_record_response(&response, answer);
    target_redact(t, x->secrets, b);
    target_redact(t, x->secrets, &response);
    size_t request_end = b->len;
    buf_str_append(b, buf_str(&response));
    size_t response_end = b->len;
    buf_release(&response);
    http_record_timing(b, answer);
    str all = buf_str(b);
    o->request = str_slice(all, 0, request_end);
    o->response = str_slice(all, request_end, response_end);
    o->timing = buf_ok(b) ? str_slice(all, response_end, all.n) : STR("");
}

static void on_done(struct http_call *call, const struct http_answer *answer)
{
    struct target_attempt *x = CONTAINER_OF(call, struct target_attempt, call);
    struct target_action *action = x->action;
    const struct target *target = action->config->target;
    struct task *t = x->task;
    struct outcome o;
    struct buf summary;
    target_judge(target, answer, clock_wall_ms(action->clock), t->arena, &o);
    write_record(x, answer, &o);
    buf_init(&summary, REASON_TEXT_MAX * 4);
    buf_str_append(&summary, o.summary);
    target_redact(target, x->secrets, &summary);
    o.summary = buf_str(&summary);
    t->impl = NULL;
    t->done(t, &o);
    buf_release(&summary);
}

static void finish_unsent(struct task *t, str summary)
{
    const struct outcome o = {
        .result = ATTEMPT_PERMANENT, .error_class = "invalid", .summary = summary};
    t->impl = NULL;
    t->done(t, &o);
}

static void target_start(struct action *base, struct task *t)
{
    struct target_action *action = CONTAINER_OF(base, struct target_action, action);
    const struct target_config *c = action->config;
    struct target_attempt *x = ARENA_NEW(t->arena, struct target_attempt);
    struct target_request request;
    struct reason why = {.text = ""};
    if (!x) {
        finish_unsent(t, STR("the event is too large to be sent"));
        return;
    }
    if (render(c, t, &x->secrets, &request, &why) != ERR_OK) {
        finish_unsent(t, arena_str(t->arena, str_from_cstr(why.text)));
        return;
    }
    x->action = action;
    x->task = t;
    x->call = (struct http_call){.method = request.method,
                                 .url = request.url,
                                 .fields = request.fields,
                                 .field_count = request.field_count,
                                 .body = request.body,
                                 .policy = c->policy,
                                 .timeout_ms = c->base.timeout_ms,
                                 .once = !c->target->repeatable,
                                 .done = on_done};
    t->impl = x;
    http_client_start(action->client, &x->call);
}

static void target_cancel(struct action *base, struct task *t)
{
    struct target_action *action = CONTAINER_OF(base, struct target_action, action);
    struct target_attempt *x = (struct target_attempt *)t->impl;
    if (x)
        http_client_cancel(action->client, &x->call);
}

static void target_free(struct action *base)
{
    struct target_action *action = CONTAINER_OF(base, struct target_action, action);
    buf_release(&action->record);
    free(action);
}

static const struct action_ops target_ops = {
    .kind = "target", .start = target_start, .cancel = target_cancel, .free = target_free};

static struct action *target_create(const struct action_config *c, const struct action_context *ctx,
                                    struct reason *why)
{
    if (!ctx->client) {
        (void)fail(why, ERR_CONFLICT, "requests can't be sent: there is no HTTP client");
        return NULL;
    }
    struct target_action *action = (struct target_action *)xcalloc(1, sizeof(*action));
    action->action.ops = &target_ops;
    action->config = (const struct target_config *)c->data;
    action->client = ctx->client;
    action->clock = loop_clock(ctx->loop);
    buf_init(&action->record, RECORD_MAX);
    return &action->action;
}
