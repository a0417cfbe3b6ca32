/* definitions.c -- /api/v1/definitions: sources, destinations and routes made at run time. Each is
 * tried together with all else, by the reader that checks files, before it is kept. Their secrets
 * are shown masked. */
#include "engine/definitions.h"
#include "api/call.h"
#include "api/programs.h"
#include "engine/masking.h"

#define NAME_BYTES_MAX 63

static bool read_place(struct api_call *c, struct definition_change *change)
{
    change->name = router_param(&c->match, STR("name"));
    if (definition_kind_parse(router_param(&c->match, STR("kind")), &change->kind))
        return true;
    http_reply_error(c->x, 404, "not_found",
                     STR("Definitions are of sources, destinations and routes."));
    return false;
}

static void refuse(struct api_call *c, str text)
{
    c->status = 422;
    http_reply_error(c->x, 422, "bad_definition", text);
}

/* Each with its place in the definitions, which is none of a file's. */
static void answer_problems(struct api_call *c, str defined, const struct problems *p)
{
    struct buf text;
    str origin = STR(DEFINITIONS_ORIGIN ":");
    buf_init(&text, 1u << 20);
    for (size_t i = 0; i < p->count; i++) {
        const struct problem *one = &p->v[i];
        str told = str_from_cstr(one->text);
        size_t before = text.len + (i > 0);
        if (i)
            buf_char(&text, '\n');
        if (str_starts(told, origin))
            definitions_place(defined, one->line, one->column, &text);
        if (text.len > before)
            told = str_slice(told,
                             one->file_bytes +
                                 str_find_str(str_slice(told, one->file_bytes, told.n), STR(": ")),
                             told.n);
        buf_str_append(&text, told);
    }
    refuse(c, buf_str(&text));
    buf_release(&text);
}

/* --- masks -------------------------------------------------------------------------------------
 */

/* How a definition's secrets are masked. What is not in force here (another node defined it this
 * moment) has fields that nobody here can tell from secrets. */
static struct masking masking_of(const struct api_call *c, const struct config *config,
                                 enum definition_kind kind, str name)
{
    struct masking m = {.key = secret_str(&c->api->token)};
    if (kind == DEFINITION_DESTINATION) {
        const struct destination_config *d = map_get(&config->destinations_by_name, name);
        m.all = d == NULL;
        m.target = d ? action_target_of(d->action) : NULL;
    }
    return m;
}

/* The document with the secrets that its masks stand for. False and answered. */
static bool take_doc(struct api_call *c, const struct definition_change *change,
                     const struct json *doc, struct json_writer *w)
{
    struct object old;
    struct reason why = {0};
    struct json_doc *was = NULL;
    if (change->kind == DEFINITION_ROUTE) {
        json_value(w, doc);
        return true;
    }
    enum err err = store_object(c->api->reader, str_from_cstr(definition_objects[change->kind]),
                                change->name, c->x->arena, &old, &why);
    if (err == ERR_OK)
        was = json_parse(old.doc, &why);
    else if (err != ERR_NOT_FOUND) {
        api_fail(c, err, &why);
        return false;
    }
    struct config *config = engine_config(c->api->options.engine);
    struct masking m = masking_of(c, config, change->kind, change->name);
    m.all = m.all && was;
    err = mask_undo(w, &m, doc, json_root(was), &why);
    if (err != ERR_OK)
        refuse(c, arena_printf(c->x->arena, "%s." STR_FMT ".%s", definition_kinds[change->kind],
                               STR_ARG(change->name), why.text));
    config_unref(config);
    json_doc_free(was);
    return err == ERR_OK;
}

static void write_list(struct api_call *c, const struct json *all)
{
    struct json_iter kinds = {0};
    struct config *config = engine_config(c->api->options.engine);
    json_open(&c->json, '{');
    while (json_next(all, &kinds)) {
        struct json_iter it = {0};
        enum definition_kind kind = DEFINITION_ROUTE;
        (void)definition_kind_parse(kinds.key, &kind);
        json_key_str(&c->json, kinds.key);
        if (kind == DEFINITION_ROUTE) {
            json_value(&c->json, kinds.value);
            continue;
        }
        json_open(&c->json, '{');
        while (json_next(kinds.value, &it)) {
            struct masking m = masking_of(c, config, kind, it.key);
            json_key_str(&c->json, it.key);
            mask_write(&c->json, &m, it.value);
        }
        json_close(&c->json, '}');
    }
    json_close(&c->json, '}');
    config_unref(config);
}

/* --- writing ---------------------------------------------------------------------------------- */

/* True when the whole would be good with the change; else answered. */
static bool is_good(struct api_call *c, const struct definition_change *change)
{
    struct config *fresh = NULL;
    struct problems problems = {0};
    struct reason why = {0};
    struct buf text;
    buf_init(&text, DEFINITIONS_BYTES_MAX);
    enum err err = definitions_text(c->api->reader, change, &text, &why);
    if (err == ERR_OK)
        fresh = c->api->options.load(buf_str(&text), &problems, c->api->options.arg);
    if (err != ERR_OK)
        api_fail(c, err, &why);
    else if (!fresh)
        answer_problems(c, buf_str(&text), &problems);
    bool good = fresh != NULL;
    config_unref(fresh);
    problems_release(&problems);
    buf_release(&text);
    return good;
}

/* What was kept is put in force; that it is good was found out before. */
static void put_in_force(struct api_call *c, const struct definition_change *change, int status)
{
    struct buf problems;
    buf_init(&problems, 1u << 20);
    if (c->api->options.reload(&problems, c->api->options.arg) != ERR_OK) {
        c->status = 409;
        http_reply_error(c->x, 409, "bad_configuration", buf_str(&problems));
    } else {
        json_open(&c->json, '{');
        json_pair(&c->json, "kind", str_from_cstr(definition_kinds[change->kind]));
        json_pair(&c->json, "name", change->name);
        json_pair(&c->json, "warnings", buf_str(&problems));
        json_close(&c->json, '}');
        api_send(c, status);
    }
    buf_release(&problems);
}

static bool can_define(struct api_call *c)
{
    if (c->api->options.reload && c->api->options.load)
        return true;
    http_reply_error(c->x, 501, "no_definitions",
                     STR("This instance takes its configuration from its program alone."));
    return false;
}

static void keep(struct api_call *c, const struct definition_change *change)
{
    struct reason why = {0};
    struct object o = {.kind = str_from_cstr(definition_objects[change->kind]),
                       .id = change->name,
                       .doc = change->doc};
    enum err err = object_put(c->api->core, &o, OBJECT_ANY, &why);
    if (err != ERR_OK)
        api_fail(c, err, &why);
    else
        put_in_force(c, change, o.version == 1 ? 201 : 200);
}

struct writing { /* a definition whose programs are being compiled */
    struct programs programs;
    struct api_call frame;
    struct definition_change change;
    struct buf text; /* of the change */
    struct json_doc *doc;
    char what[AUDIT_TEXT_MAX];
};

static void on_compiled(struct programs *p, const char *wrong, str why)
{
    struct writing *k = CONTAINER_OF(p, struct writing, programs);
    struct api_call *c = &k->frame;
    if (wrong && c->api->is_closing) {
        c->status = 503;
        http_reply_retry(c->x, 503, "closing", STR("Gaff is stopping; send it again."), 1);
    } else if (wrong) {
        refuse(c, arena_printf(c->x->arena, "%s." STR_FMT ".%s: " STR_FMT,
                               definition_kinds[k->change.kind], STR_ARG(k->change.name), wrong,
                               STR_ARG(why)));
    } else if (is_good(c, &k->change)) { /* others may have changed the rest meanwhile */
        keep(c, &k->change);
    }
    api_audit(c, str_from_cstr(k->what));
    json_doc_free(k->doc);
    buf_release(&k->text);
    buf_release(&c->body);
    free(k);
}

/* Takes the text. */
static void compile(struct api_call *c, const struct definition_change *change, struct buf *text,
                    struct json_doc *doc)
{
    struct writing *k = xcalloc(1, sizeof(*k));
    k->frame = *c;
    buf_init(&k->frame.body, OBJECT_DOC_MAX);
    json_writer_init(&k->frame.json, &k->frame.body);
    k->change = *change;
    k->text = *text;
    k->doc = doc;
    (void)snprintf(k->what, sizeof(k->what), STR_FMT " " STR_FMT, STR_ARG(c->x->req.method),
                   STR_ARG(c->x->req.path));
    k->programs.worker = c->api->jq;
    k->programs.doc = json_root(doc);
    k->programs.done = on_compiled;
    c->is_waiting = true;
    programs_check(&k->programs);
}

void api_definition_put(struct api_call *c)
{
    struct definition_change change = {0};
    if (!can_define(c) || !read_place(c, &change))
        return;
    if (!is_plain_name(change.name, NAME_BYTES_MAX)) {
        api_bad(c, "bad_parameter", "a name is made of a-z, 0-9, - and _ (at most %d)",
                NAME_BYTES_MAX);
        return;
    }
    const struct json *doc = http_request_json(&c->x->req);
    const char *refusal = definition_refusal(change.kind, doc);
    if (refusal) {
        api_bad(c, "bad_definition", "%s", refusal);
        return;
    }
    struct buf text;
    struct json_writer w;
    buf_init(&text, OBJECT_DOC_MAX);
    json_writer_init(&w, &text);
    bool taken = take_doc(c, &change, doc, &w);
    change.doc = buf_str(&text);
    if (taken && is_good(c, &change)) {
        struct json_doc *kept = json_parse(change.doc, NULL);
        if (c->api->jq && programs_are_in(json_root(kept))) {
            compile(c, &change, &text, kept);
            return;
        }
        json_doc_free(kept);
        keep(c, &change);
    }
    buf_release(&text);
}

void api_definition_delete(struct api_call *c)
{
    struct definition_change change = {0};
    struct reason why = {0};
    if (!can_define(c) || !read_place(c, &change) || !is_good(c, &change))
        return;
    enum err err = object_delete(c->api->core, c->api->reader,
                                 str_from_cstr(definition_objects[change.kind]), change.name, &why);
    if (err != ERR_OK)
        api_fail(c, err, &why);
    else
        put_in_force(c, &change, 200);
}

void api_definitions_list(struct api_call *c)
{
    struct reason why = {0};
    struct buf text;
    buf_init(&text, DEFINITIONS_BYTES_MAX);
    enum err err = definitions_text(c->api->reader, NULL, &text, &why);
    struct json_doc *doc = err == ERR_OK && text.len ? json_parse(buf_str(&text), &why) : NULL;
    if (err != ERR_OK) {
        api_fail(c, err, &why);
    } else {
        if (doc)
            write_list(c, json_root(doc));
        else
            json_raw(&c->json, STR("{\"sources\":{},\"destinations\":{},\"routes\":[]}"));
        api_send(c, 200);
    }
    json_doc_free(doc);
    buf_release(&text);
}
