/* cli_send_act.c -- the verbs of the sending side that are more than one call: secrets, header
 * fields, tokens, importing event types, recovery and waiting for it. */
#include "app/cli_send.h"

#include "base/clock.h"
#include "base/secret.h"

#include <time.h>

#define BODY_MAX (32u << 20)
#define ENDPOINT "/app/{}/endpoint/{}"

/* method, path of the command's arguments with `more` behind, and an optional body. */
static int call(struct cli *c, const char *method, const char *pattern, const char *body,
                struct json_doc **answer)
{
    struct buf path;
    buf_init(&path, 65536);
    cli_send_path(c, pattern, &path);
    int code = cli_call(c, method, buf_cstr(&path), body, answer);
    buf_release(&path);
    return code;
}

/* Prints one member alone on a table, the whole answer otherwise. */
static void print_member(struct cli *c, const struct json *answer, const char *name)
{
    if (c->output != CLI_TABLE && c->output != CLI_ID) {
        cli_print_json(c, answer);
        return;
    }
    cli_print_text(json_str(json_get(answer, str_from_cstr(name))));
    putchar('\n');
}

/* --- secrets ---------------------------------------------------------------------------------- */

int cli_endpoints_secret(struct cli *c)
{
    struct json_doc *doc;
    int code = call(c, "GET", ENDPOINT "/secret", NULL, &doc);
    if (code == CLI_OK)
        print_member(c, json_root(doc), "key");
    json_doc_free(doc);
    return code;
}

/* The body of a rotation: --secret-file and --grace, in a duration. */
static bool write_rotation(struct cli *c, struct buf *body)
{
    struct json_writer w;
    const char *grace = cli_option(c, "grace"), *file = cli_option(c, "secret-file");
    int64_t ms;
    str key;
    json_writer_init(&w, body);
    json_open(&w, '{');
    if (file) {
        if (!cli_read_input(c, file, &key))
            return false;
        json_pair(&w, "key", str_trim(key));
    }
    if (grace) {
        if (!clock_duration_parse(str_from_cstr(grace), &ms))
            return cli_error(CLI_USAGE, "--grace takes a duration: 0s, 30m, 24h") == CLI_OK;
        json_pair_int(&w, "gracePeriodSeconds", ms / 1000);
    }
    json_close(&w, '}');
    return true;
}

int cli_endpoints_rotate(struct cli *c)
{
    struct buf body;
    struct json_doc *doc = NULL;
    buf_init(&body, 65536);
    int code = write_rotation(c, &body)
                   ? call(c, "POST", ENDPOINT "/secret/rotate", buf_cstr(&body), &doc)
                   : CLI_USAGE;
    json_doc_free(doc);
    if (body.p)
        secret_wipe(body.p, body.len);
    buf_release(&body);
    return code == CLI_OK ? cli_endpoints_secret(c) : code;
}

/* --- header fields ---------------------------------------------------------------------------- */

static void print_headers(struct cli *c, const struct json *answer)
{
    struct json_iter it = {0}, hidden = {0};
    while (json_next(json_get(answer, STR("headers")), &it))
        cli_print_text(arena_printf(&c->arena, STR_FMT ": " STR_FMT "\n", STR_ARG(it.key),
                                    STR_ARG(json_str(it.value))));
    while (json_next(json_get(answer, STR("sensitive")), &hidden))
        cli_print_text(
            arena_printf(&c->arena, STR_FMT ": (not shown)\n", STR_ARG(json_str(hidden.value))));
}

static bool write_header_change(struct cli *c, struct buf *body)
{
    struct json_writer w;
    json_writer_init(&w, body);
    json_open(&w, '{');
    json_key(&w, "headers");
    json_open(&w, '{');
    for (size_t i = 0; i < c->option_count; i++) {
        str value = str_from_cstr(c->options[i].value), name = value;
        bool remove = strcmp(c->options[i].name, "remove") == 0;
        if (!remove && strcmp(c->options[i].name, "set") != 0)
            continue;
        if (!remove)
            name = str_trim(str_cut(&value, ':'));
        if (!name.n || !value.p)
            return cli_error(CLI_USAGE, "--set takes \"Name: value\"") == CLI_OK;
        json_key_str(&w, name);
        json_string(&w, remove ? STR_NONE : str_trim(value));
    }
    json_close(&w, '}');
    json_close(&w, '}');
    return true;
}

int cli_endpoints_headers(struct cli *c)
{
    struct json_doc *doc = NULL;
    int code = CLI_OK;
    if (cli_option(c, "set") || cli_option(c, "remove")) {
        struct buf body;
        buf_init(&body, BODY_MAX);
        code = write_header_change(c, &body)
                   ? call(c, "PATCH", ENDPOINT "/headers", buf_cstr(&body), &doc)
                   : CLI_USAGE;
        buf_release(&body);
        json_doc_free(doc);
    }
    if (code == CLI_OK)
        code = call(c, "GET", ENDPOINT "/headers", NULL, &doc);
    if (code != CLI_OK)
        return code;
    if (c->output == CLI_TABLE)
        print_headers(c, json_root(doc));
    else
        cli_print_json(c, json_root(doc));
    json_doc_free(doc);
    return code;
}

/* --- on and off ------------------------------------------------------------------------------- */

static int set_disabled(struct cli *c, const char *body)
{
    struct json_doc *doc;
    int code = call(c, "PATCH", ENDPOINT, body, &doc);
    if (code == CLI_OK)
        cli_send_show(c, json_root(doc));
    json_doc_free(doc);
    return code;
}

int cli_endpoints_enable(struct cli *c)
{
    return set_disabled(c, "{\"disabled\":false}");
}

int cli_endpoints_disable(struct cli *c)
{
    return set_disabled(c, "{\"disabled\":true}");
}

/* --- recovery --------------------------------------------------------------------------------- */

/* Asks after a job until it has ended. */
static int wait_for(struct cli *c, str task, struct json_doc **last)
{
    char path[128];
    int code = CLI_OK;
    snprintf(path, sizeof(path), "/api/v1/background-task/" STR_FMT, STR_ARG(task));
    while (code == CLI_OK &&
           str_eq(json_str(json_get(json_root(*last), STR("status"))), STR("running"))) {
        const struct timespec pause = {.tv_nsec = 250000000};
        nanosleep(&pause, NULL);
        json_doc_free(*last);
        code = cli_call(c, "GET", path, NULL, last);
    }
    return code;
}

static bool write_range(struct cli *c, struct buf *body)
{
    struct json_writer w;
    bool good, also;
    const char *since = cli_send_time(c, "since", cli_option(c, "since"), &good);
    const char *until = cli_send_time(c, "until", cli_option(c, "until"), &also);
    if (!good || !also)
        return false;
    if (!since)
        return cli_error(CLI_USAGE, "say from when on: --since 2h, or a time") == CLI_OK;
    json_writer_init(&w, body);
    json_open(&w, '{');
    json_pair(&w, "since", str_from_cstr(since));
    if (until)
        json_pair(&w, "until", str_from_cstr(until));
    json_close(&w, '}');
    return true;
}

int cli_endpoints_recover(struct cli *c)
{
    struct buf body;
    struct json_doc *doc = NULL;
    const char *path = cli_flag(c, "missing")      ? ENDPOINT "/replay-missing"
                       : cli_flag(c, "everything") ? ENDPOINT "/bulk-replay"
                                                   : ENDPOINT "/recover";
    buf_init(&body, 4096);
    int code = write_range(c, &body) ? call(c, "POST", path, buf_cstr(&body), &doc) : CLI_USAGE;
    buf_release(&body);
    if (code == CLI_OK && cli_flag(c, "wait")) {
        str task = arena_str(&c->arena, json_str(json_get(json_root(doc), STR("id"))));
        code = wait_for(c, task, &doc);
    }
    if (code == CLI_OK) {
        cli_send_show(c, json_root(doc));
        if (str_eq(json_str(json_get(json_root(doc), STR("status"))), STR("failed")))
            code = CLI_FAILED;
    }
    json_doc_free(doc);
    return code;
}

/* --- tokens, event types ---------------------------------------------------------------------- */

int cli_apps_token(struct cli *c)
{
    struct json_doc *doc;
    const char *expires = cli_option(c, "expires");
    char body[64] = "{}";
    int64_t ms;
    if (expires && !clock_duration_parse(str_from_cstr(expires), &ms))
        return cli_error(CLI_USAGE, "--expires takes a duration: 1h, 7d");
    if (expires)
        snprintf(body, sizeof(body), "{\"expiry\":%lld}", (long long)(ms / 1000));
    int code = call(c, "POST", "/auth/app-portal-access/{}", body, &doc);
    if (code == CLI_OK)
        print_member(c, json_root(doc), "token");
    json_doc_free(doc);
    return code;
}

int cli_event_types_import(struct cli *c)
{
    static const struct cli_column columns[] = {{"NAME", "name", 40},
                                                {"DESCRIPTION", "description", 60}};
    struct buf body;
    struct json_writer w;
    struct json_doc *doc;
    str text;
    if (!cli_read_input(c, c->args[0], &text))
        return CLI_FAILED;
    buf_init(&body, 2 * BODY_MAX);
    json_writer_init(&w, &body);
    json_open(&w, '{');
    json_pair(&w, "specRaw", text);
    json_pair_bool(&w, "dryRun", cli_flag(c, "dry-run"));
    json_close(&w, '}');
    int code = cli_call(c, "POST", "/api/v1/event-type/import/openapi", buf_cstr(&body), &doc);
    buf_release(&body);
    if (code == CLI_OK)
        cli_print_rows(c, json_path(json_root(doc), STR("data.toModify")), columns,
                       ARRAY_LEN(columns));
    json_doc_free(doc);
    return code;
}
