/* send_type.c -- event types: /api/v1/event-type. An event type's name is its id within its
 * organisation; archived ones stay and are not offered. */
#include "api/send.h"

static const char *const members[] = {"description",  "deprecated", "schemas",  "featureFlag",
                                      "featureFlags", "groupName",  "validate", NULL};

static str type_id(struct send_call *s, str name)
{
    return arena_printf(s->a, STR_FMT "/" STR_FMT, STR_ARG(s->org), STR_ARG(name));
}

static str name_of(const struct object *o)
{
    size_t slash = str_find(o->id, '/');
    return str_slice(o->id, slash + 1, o->id.n);
}

static void view(struct json_writer *w, const struct object *o, bool with_content)
{
    struct json_doc *doc = json_parse(o->doc, NULL);
    const struct json *root = json_root(doc);
    json_open(w, '{');
    json_pair(w, "name", name_of(o));
    send_pair_or(w, "description", json_get(root, STR("description")), "\"\"");
    json_pair_bool(w, "archived", json_bool(json_get(root, STR("archived"))));
    json_pair_bool(w, "deprecated", json_bool(json_get(root, STR("deprecated"))));
    send_pair_or(w, "schemas", with_content ? json_get(root, STR("schemas")) : NULL, "null");
    send_pair_or(w, "featureFlag", json_get(root, STR("featureFlag")), "null");
    send_pair_or(w, "featureFlags", json_get(root, STR("featureFlags")), NULL);
    send_pair_or(w, "groupName", json_get(root, STR("groupName")), NULL);
    send_pair_or(w, "validate", json_get(root, STR("validate")), NULL);
    send_pair_time(w, "createdAt", o->created_ms);
    send_pair_time(w, "updatedAt", o->updated_ms);
    json_close(w, '}');
    json_doc_free(doc);
}

static bool has_flag(const struct send_call *s, str flag)
{
    for (size_t i = 0; s->token && i < s->token->flag_count; i++)
        if (str_eq(s->token->flags[i], flag))
            return true;
    return false;
}

/* An application sees what has no feature flag, and that of the flags in its token. */
static bool is_visible(const struct send_call *s, const struct object *o, bool archived)
{
    struct json_doc *doc = json_parse(o->doc, NULL);
    const struct json *root = json_root(doc);
    str flag = json_str(json_get(root, STR("featureFlag")));
    bool visible = (archived || !json_bool(json_get(root, STR("archived")))) &&
                   (!s->token_app.n || !flag.n || has_flag(s, flag));
    json_doc_free(doc);
    return visible;
}

/* Pages over the store's until there are enough that may be seen. */
static enum err gather(struct send_call *s, const struct send_page *p, bool archived,
                       struct object *out, size_t *count, bool *more, struct reason *why)
{
    struct object_filter f = {.kind = STR(EVENT_TYPE_KIND),
                              .parent = s->org,
                              .after = p->iterator.n ? type_id(s, p->iterator) : STR(""),
                              .descending = p->descending != p->back,
                              .limit = SEND_LIMIT_MAX};
    struct object_list list = {.more = true};
    *count = 0;
    *more = false;
    while (list.more && !*more) {
        enum err err = store_objects(send_api(s)->reader, &f, s->a, &list, why);
        if (err != ERR_OK)
            return err;
        for (size_t i = 0; i < list.count && !*more; i++) {
            if (!is_visible(s, &list.v[i], archived))
                continue;
            *more = *count == p->limit;
            if (!*more)
                out[(*count)++] = list.v[i];
        }
        if (list.count)
            f.after = list.v[list.count - 1].id;
    }
    return ERR_OK;
}

static void view_row(struct send_call *s, const struct send_rows *r, const void *row)
{
    view(send_json(s), row, r->with_content);
}

static str row_name(struct send_call *s, const void *row)
{
    UNUSED(s);
    return name_of(row);
}

void send_type_list(struct send_call *s)
{
    struct send_page p;
    struct reason why;
    struct object found[SEND_LIMIT_MAX];
    struct send_rows rows = {.v = found,
                             .size = sizeof(found[0]),
                             .with_content = send_query_true(s, "with_content", false),
                             .view = view_row,
                             .id = row_name};
    if (!send_page_read(s, false, &p))
        return;
    enum err err = gather(s, &p, send_query_true(s, "include_archived", false), found, &rows.count,
                          &rows.more, &why);
    if (err == ERR_OK)
        send_page_answer(s, &p, &rows);
    else
        send_failed(s, err, &why);
}

static str make_doc(struct send_call *s, const struct json *body, const struct json *old, bool keep,
                    bool archived)
{
    struct buf b;
    struct json_writer w;
    buf_init(&b, OBJECT_DOC_MAX);
    json_writer_init(&w, &b);
    json_open(&w, '{');
    send_doc(&w, members, NULL, body, old, keep);
    json_pair_bool(&w, "archived", archived);
    json_close(&w, '}');
    str doc = buf_ok(&b) ? arena_str(s->a, buf_str(&b)) : STR_NONE;
    buf_release(&b);
    return doc;
}

static bool wants_archived(const struct json *body, const struct json *old, bool keep)
{
    const struct json *v = json_get(body, STR("archived"));
    return json_bool(v ? v : keep ? json_get(old, STR("archived")) : NULL);
}

static struct object_change change_of(struct send_call *s, str name, const struct json *body,
                                      const struct object *old, bool keep)
{
    struct json_doc *doc = old ? json_parse(old->doc, NULL) : NULL;
    const struct json *before = json_root(doc);
    struct object_change c = {
        .op = OBJECT_PUT,
        .object = {.kind = STR(EVENT_TYPE_KIND),
                   .id = type_id(s, name),
                   .parent = s->org,
                   .name = STR(""),
                   .created_ms = old ? old->created_ms : s->now_ms,
                   .updated_ms = s->now_ms,
                   .doc = make_doc(s, body, before, keep, wants_archived(body, before, keep))},
        .expect = old ? old->version : OBJECT_ABSENT};
    json_doc_free(doc);
    return c;
}

/* A type that asks for validation has a schema that can be applied wholly. */
static bool is_applicable(struct send_call *s, const struct object *o)
{
    struct reason why = {0};
    struct json_doc *doc = json_parse(o->doc, NULL);
    bool good = event_type_judge(json_root(doc), &why) == ERR_OK;
    if (!good)
        send_fault(
            s, STR("body\0schemas\0"), "value_error",
            arena_cstr(s->a, arena_printf(s->a, STR_FMT ": %s", STR_ARG(name_of(o)), why.text)));
    json_doc_free(doc);
    return good;
}

static void write(struct send_call *s, str name, const struct object *old, bool keep, int status)
{
    struct object_change changes[2] = {change_of(s, name, s->body, old, keep)};
    if (!changes[0].object.doc.p) {
        send_error(s, 413, "payload_too_large", "Request payload is too large.");
        return;
    }
    if (!is_applicable(s, &changes[0].object))
        return;
    view(send_json(s), &changes[0].object, true);
    if (send_commit(s, changes, 1, status, NULL))
        send_ok(s, status);
}

static bool find(struct send_call *s, str name, struct object *out)
{
    return store_object(send_api(s)->reader, STR(EVENT_TYPE_KIND), type_id(s, name), s->a, out,
                        NULL) == ERR_OK;
}

static bool is_archived(const struct object *o)
{
    struct json_doc *doc = json_parse(o->doc, NULL);
    bool archived = json_bool(json_get(json_root(doc), STR("archived")));
    json_doc_free(doc);
    return archived;
}

static void create_once(struct send_call *s)
{
    struct object old;
    str name = json_str(json_get(s->body, STR("name")));
    bool there = find(s, name, &old);
    if (there && !is_archived(&old)) {
        send_error(s, 409, "event_type_exists", "An event_type with this name already exists");
        return;
    }
    write(s, name, there ? &old : NULL, false, 201);
}

void send_type_create(struct send_call *s)
{
    send_look_again(s, create_once);
}

static bool load(struct send_call *s, struct object *out)
{
    if (find(s, send_path(s, "event_type_name"), out) && is_visible(s, out, true))
        return true;
    send_not_found(s, NULL);
    return false;
}

void send_type_get(struct send_call *s)
{
    struct object o;
    if (!load(s, &o))
        return;
    view(send_json(s), &o, true);
    send_ok(s, 200);
}

static void put_once(struct send_call *s)
{
    struct object old;
    str name = send_path(s, "event_type_name");
    bool there = find(s, name, &old);
    write(s, name, there ? &old : NULL, false, there ? 200 : 201);
}

void send_type_put(struct send_call *s)
{
    str name = send_path(s, "event_type_name");
    if (!wire_is_word(name) || name.n > 256) {
        send_fault(s, STR("path\0event_type_name\0"), "value_error",
                   "String must match the following pattern: [a-zA-Z0-9\\-_.].");
        return;
    }
    send_look_again(s, put_once);
}

static void patch_once(struct send_call *s)
{
    struct object old;
    if (load(s, &old))
        write(s, name_of(&old), &old, true, 200);
}

void send_type_patch(struct send_call *s)
{
    send_look_again(s, patch_once);
}

/* What is archived is what is there now: a change made meanwhile stays. */
static void delete_once(struct send_call *s)
{
    struct object old;
    if (!load(s, &old))
        return;
    struct object_change changes[2] = {{.op = OBJECT_DELETE, .object = old, .expect = old.version}};
    if (!send_query_true(s, "expunge", false)) {
        struct json_doc *doc = json_parse(old.doc, NULL);
        changes[0].op = OBJECT_PUT;
        changes[0].object.updated_ms = s->now_ms;
        changes[0].object.doc = make_doc(s, NULL, json_root(doc), true, true);
        json_doc_free(doc);
    }
    if (send_commit(s, changes, 1, 204, NULL))
        send_empty(s, 204);
}

void send_type_delete(struct send_call *s)
{
    send_look_again(s, delete_once);
}

/* True when an endpoint may ask for it. */
bool send_type_exists(struct send_call *s, str name)
{
    struct object o;
    return find(s, name, &o) && !is_archived(&o);
}

bool send_type_load(struct send_call *s, str name, struct object *out)
{
    return find(s, name, out) && is_visible(s, out, true);
}

/* --- import from OpenAPI -----------------------------------------------------------------------
 */

#define IMPORT_MAX 500

/* The schema of a webhook's body: .post.requestBody.content["application/json"].schema */
static const struct json *schema_of(const struct json *item)
{
    const struct json *content = json_path(item, STR("post.requestBody.content"));
    return json_get(json_get(content, STR("application/json")), STR("schema"));
}

#define COMPONENT STR("#/components/schemas/")

/* The names of the components that v refers to. */
static void collect_components(const struct json *v, struct map *names)
{
    struct json_iter it = {0};
    bool object = json_kind_of(v) == JSON_OBJECT;
    str ref = object ? json_str(json_get(v, STR("$ref"))) : STR_NONE;
    if (str_starts(ref, COMPONENT)) {
        str name = str_slice(ref, COMPONENT.n, ref.n);
        name = str_slice(name, 0, str_find(name, '/'));
        if (!map_get(names, name))
            map_put(names, name, (void *)(uintptr_t)v);
    }
    if (object || json_kind_of(v) == JSON_ARRAY)
        while (json_next(v, &it))
            collect_components(it.value, names);
}

/* The schema with those components of the document that it refers to, where its references find
 * them. */
static void write_bundled(struct json_writer *w, const struct json *spec, const struct json *schema)
{
    const struct json *all = json_path(spec, STR("components.schemas"));
    struct map names = {0};
    struct map_entry e;
    struct json_iter it = {0};
    collect_components(schema, &names);
    if (names.count == 0) {
        json_value(w, schema);
        return;
    }
    json_open(w, '{');
    while (json_next(schema, &it)) {
        json_key_str(w, it.key);
        json_value(w, it.value);
    }
    json_key(w, "components");
    json_open(w, '{');
    json_key(w, "schemas");
    json_open(w, '{');
    for (size_t i = 0; map_next(&names, &i, &e);) { /* grows meanwhile */
        str name = e.key;
        const struct json *one = json_get(all, name);
        if (!one)
            continue;
        collect_components(one, &names);
        json_key_str(w, name);
        json_value(w, one);
    }
    json_close(w, '}');
    json_close(w, '}');
    json_close(w, '}');
    map_release(&names);
}

/* {"description":..., "schemas":{"1": SCHEMA}} of a webhook of the document. */
static struct json_doc *type_of(struct send_call *s, const struct json *spec,
                                const struct json *item)
{
    struct buf b;
    struct json_writer w;
    const struct json *schema = schema_of(item);
    str text = json_str(json_path(item, STR("post.description")));
    if (!text.n)
        text = json_str(json_path(item, STR("post.summary")));
    buf_init(&b, OBJECT_DOC_MAX);
    json_writer_init(&w, &b);
    json_open(&w, '{');
    json_pair(&w, "description", text.p ? text : STR(""));
    if (schema) {
        json_key(&w, "schemas");
        json_open(&w, '{');
        json_key(&w, "1");
        write_bundled(&w, spec, schema);
        json_close(&w, '}');
    }
    json_close(&w, '}');
    struct json_doc *doc = json_parse(arena_str(s->a, buf_str(&b)), NULL);
    buf_release(&b);
    return doc;
}

static void answer_import(struct send_call *s, const struct object_change *changes, size_t count)
{
    struct json_writer *w = send_json(s);
    json_open(w, '{');
    json_key(w, "data");
    json_open(w, '{');
    json_key(w, "modified");
    json_open(w, '[');
    for (size_t i = 0; i < count; i++)
        json_string(w, name_of(&changes[i].object));
    json_close(w, ']');
    json_key(w, "toModify");
    json_open(w, '[');
    for (size_t i = 0; i < count; i++)
        view(w, &changes[i].object, true);
    json_close(w, ']');
    json_close(w, '}');
    json_close(w, '}');
}

static void import_once(struct send_call *s)
{
    struct json_doc *parsed = NULL;
    struct reason why = {.text = "neither spec nor specRaw is there"};
    const struct json *spec = json_get(s->body, STR("spec"));
    str raw = json_str(json_get(s->body, STR("specRaw")));
    if (!spec && raw.n) {
        parsed = json_parse(raw, &why);
        spec = json_root(parsed);
    }
    const struct json *hooks = json_get(spec, STR("webhooks"));
    if (!hooks)
        hooks = json_get(spec, STR("x-webhooks"));
    size_t most = json_len(hooks), count = 0;
    if (!spec || !hooks || most > IMPORT_MAX) {
        send_fault(s, STR("body\0spec\0"), "value_error",
                   !spec    ? why.text
                   : !hooks ? "the document has no webhooks object"
                            : "the document has more than 500 webhooks");
        json_doc_free(parsed);
        return;
    }
    struct object_change *changes = ARENA_ARRAY(s->a, struct object_change, most + 2);
    struct json_iter it = {0};
    while (changes && json_next(hooks, &it)) {
        struct object old;
        if (!wire_is_word(it.key) || it.key.n > 256)
            continue;
        struct json_doc *type = type_of(s, spec, it.value);
        bool there = find(s, it.key, &old);
        changes[count++] =
            change_of(s, arena_str(s->a, it.key), json_root(type), there ? &old : NULL, there);
        json_doc_free(type);
    }
    json_doc_free(parsed);
    for (size_t i = 0; i < count; i++)
        if (!is_applicable(s, &changes[i].object))
            return;
    answer_import(s, changes, count);
    if (send_query_true(s, "dry_run", false) || json_bool(json_get(s->body, STR("dryRun"))) ||
        count == 0 || send_commit(s, changes, count, 200, NULL))
        send_ok(s, 200);
}

void send_type_import(struct send_call *s)
{
    send_look_again(s, import_once);
}
