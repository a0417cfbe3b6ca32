/* cli_send_body.c -- from options to the JSON that the sending API takes: one table says which
 * option is which member. */
#include "app/cli_send.h"

#include "base/clock.h"

#define BODY_MAX (32u << 20)

enum member_kind {
    TEXT,    /* "": null, which clears it */
    WORDING, /* "": kept as it is */
    WHOLE,   /* a whole number; "": null */
    TEXTS,   /* repeated; "": null */
    PAIRS,   /* repeated, KEY=VALUE */
    FIELDS,  /* repeated, "Name: value" */
    SECONDS, /* "5,60,300" */
    JSON,    /* as it is */
    TIME,    /* "": null */
    YES,     /* a flag */
    NO,
    SCHEMA, /* a file with a JSON Schema, as the only version */
};

static const struct member {
    const char *option, *name;
    enum member_kind kind;
} members[] = {
    {"name", "name", TEXT},
    {"uid", "uid", TEXT},
    {"url", "url", TEXT},
    {"description", "description", WORDING},
    {"rate", "throttleRate", WHOLE},
    {"metadata", "metadata", PAIRS},
    {"event-type", "eventTypes", TEXTS},
    {"channel", "channels", TEXTS},
    {"header", "headers", FIELDS},
    {"match", "match", JSON},
    {"concurrency", "concurrency", WHOLE},
    {"order-by", "orderBy", WORDING},
    {"on-blocked", "onBlocked", TEXT},
    {"retry", "retry", SECONDS},
    {"timeout", "timeout", WHOLE},
    {"signature", "signature", TEXT},
    {"format", "format", TEXT},
    {"disabled", "disabled", YES},
    {"enabled", "disabled", NO},
    {"event-id", "eventId", TEXT},
    {"tag", "tags", TEXTS},
    {"at", "deliverAt", TIME},
    {"schema", "schemas", SCHEMA},
    {"group", "groupName", TEXT},
    {"deprecated", "deprecated", YES},
    {"validate", "validate", YES},
};

const char *cli_send_time(struct cli *c, const char *option, const char *text, bool *good)
{
    int64_t ms, age_ms;
    char out[CLOCK_TEXT_MAX];
    *good = true;
    if (!text)
        return NULL;
    if (!clock_parse(str_from_cstr(text), &ms)) {
        if (!clock_duration_parse(str_from_cstr(text), &age_ms)) {
            *good = false;
            cli_error(CLI_USAGE,
                      "--%s takes a time as 2026-11-23T20:24:11Z, or an age: 30m, 2h, 7d", option);
            return NULL;
        }
        ms = clock_wall_ms(clock_real()) - age_ms;
    }
    return arena_cstr(&c->arena, clock_format(ms, out));
}

static bool write_whole(struct json_writer *w, const struct member *m, str value)
{
    int64_t n;
    if (!str_to_i64(value, &n))
        return cli_error(CLI_USAGE, "--%s takes a whole number", m->option) == CLI_OK;
    json_integer(w, n);
    return true;
}

static bool write_seconds(struct json_writer *w, const struct member *m, str list)
{
    json_open(w, '[');
    while (list.p && list.n)
        if (!write_whole(w, m, str_trim(str_cut(&list, ','))))
            return false;
    json_close(w, ']');
    return true;
}

/* All values of a repeated option; one that is empty alone clears the member. */
static bool write_repeated(struct cli *c, struct json_writer *w, const struct member *m)
{
    char separator = m->kind == PAIRS ? '=' : ':';
    if (!cli_option(c, m->option)[0]) {
        json_raw(w, m->kind == TEXTS ? STR("null") : STR("{}"));
        return true;
    }
    json_open(w, m->kind == TEXTS ? '[' : '{');
    for (size_t i = 0; i < c->option_count; i++) {
        str value = str_from_cstr(c->options[i].value);
        if (strcmp(c->options[i].name, m->option) != 0)
            continue;
        if (m->kind == TEXTS) {
            json_string(w, value);
            continue;
        }
        str key = str_trim(str_cut(&value, separator));
        if (!key.n || !value.p)
            return cli_error(CLI_USAGE, "--%s takes %s", m->option,
                             m->kind == PAIRS ? "KEY=VALUE" : "\"Name: value\"") == CLI_OK;
        json_key_str(w, key);
        json_string(w, m->kind == PAIRS ? value : str_trim(value));
    }
    json_close(w, m->kind == TEXTS ? ']' : '}');
    return true;
}

static bool write_json(struct json_writer *w, const char *option, str text)
{
    struct reason why = {0};
    struct json_doc *doc = json_parse(text, &why);
    if (!doc)
        return cli_error(CLI_USAGE, "--%s is no JSON: %s", option, why.text) == CLI_OK;
    json_raw(w, str_trim(text));
    json_doc_free(doc);
    return true;
}

static bool write_schema(struct cli *c, struct json_writer *w, const struct member *m)
{
    str text;
    if (!cli_read_input(c, cli_option(c, m->option), &text))
        return false;
    json_open(w, '{');
    json_key(w, "1");
    if (!write_json(w, m->option, text))
        return false;
    json_close(w, '}');
    return true;
}

static bool write_member(struct cli *c, struct json_writer *w, const struct member *m)
{
    const char *given = cli_option(c, m->option);
    str value = str_from_cstr(given);
    bool good = true;
    json_key(w, m->name);
    switch (m->kind) {
    case TEXT:
        json_string(w, value.n ? value : STR_NONE);
        return true;
    case WORDING:
        json_string(w, value);
        return true;
    case WHOLE:
        if (value.n)
            return write_whole(w, m, value);
        json_null(w);
        return true;
    case TEXTS:
    case PAIRS:
    case FIELDS:
        return write_repeated(c, w, m);
    case SECONDS:
        return write_seconds(w, m, value);
    case JSON:
        return write_json(w, m->option, value);
    case TIME:
        if (!value.n) {
            json_null(w);
            return true;
        }
        given = cli_send_time(c, m->option, given, &good);
        json_string(w, str_from_cstr(given ? given : ""));
        return good;
    case YES:
    case NO:
        json_boolean(w, m->kind == YES);
        return true;
    case SCHEMA:
        return write_schema(c, w, m);
    }
    return false;
}

/* The payload of a message: --payload, --file, or standard input. */
static bool write_payload(struct cli *c, struct json_writer *w)
{
    const char *data = cli_option(c, "payload");
    str text = str_from_cstr(data ? data : "");
    if (!data && !cli_read_input(c, cli_option(c, "file"), &text))
        return false;
    json_key(w, "payload");
    return write_json(w, data ? "payload" : "file", text);
}

/* A secret is read from a file, never from the command line, which others can see. */
static bool write_secret(struct cli *c, struct json_writer *w, const char *name)
{
    str text;
    if (!cli_read_input(c, cli_option(c, "secret-file"), &text))
        return false;
    json_pair(w, name, str_trim(text));
    return true;
}

static bool write_more(struct json_writer *w, const char *text)
{
    struct reason why = {0};
    struct json_iter it = {0};
    struct json_doc *doc = json_parse(str_from_cstr(text), &why);
    bool good = json_kind_of(json_root(doc)) == JSON_OBJECT;
    if (!good)
        cli_error(CLI_USAGE, "--json takes a JSON object%s%s", why.text[0] ? ": " : "", why.text);
    while (good && json_next(json_root(doc), &it)) {
        json_key_str(w, it.key);
        json_value(w, it.value);
    }
    json_doc_free(doc);
    return good;
}

bool cli_send_body(struct cli *c, const char *member, const char *value, struct buf *out,
                   bool *empty)
{
    struct json_writer w;
    bool good = true;
    json_writer_init(&w, out);
    json_open(&w, '{');
    size_t start = out->len;
    if (member)
        json_pair(&w, member, str_from_cstr(value));
    if (strcmp(c->command->words, "messages create") == 0)
        good = write_payload(c, &w);
    if (strcmp(c->command->words, "event-types create") == 0 && !cli_option(c, "description"))
        json_pair(&w, "description", STR("")); /* the contract wants one */
    for (size_t i = 0; good && i < ARRAY_LEN(members); i++)
        if (cli_option(c, members[i].option))
            good = write_member(c, &w, &members[i]);
    if (good && cli_option(c, "secret-file"))
        good = write_secret(c, &w, strstr(c->command->words, "rotate") ? "key" : "secret");
    if (good && cli_option(c, "json"))
        good = write_more(&w, cli_option(c, "json"));
    *empty = out->len == start;
    if (!good)
        return false;
    json_close(&w, '}');
    return buf_ok(out) ||
           cli_error(CLI_FAILED, "that is larger than %u MiB", BODY_MAX >> 20) == CLI_OK;
}
