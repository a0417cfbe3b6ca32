/* cli_act.c -- the verbs that change something: replay, cancel, reload, backup, circuit. Bulk ones
 * first say how many, and ask unless told --yes or not on a terminal. */
#include "app/cli.h"

#include "base/codec.h"

#include <unistd.h>

static const char *const filters[] = {"source", "type", "destination", "state", "since", "until"};

static void write_filter(struct cli *c, struct json_writer *w, const char *state)
{
    for (size_t i = 0; i < ARRAY_LEN(filters); i++) {
        const char *value = cli_option(c, filters[i]);
        if (strcmp(filters[i], "state") == 0 && state)
            value = state;
        if (value)
            json_pair(w, filters[i], str_from_cstr(value));
    }
    if (cli_option(c, "to"))
        json_pair(w, "to", str_from_cstr(cli_option(c, "to")));
}

static int post_bulk(struct cli *c, const char *path, const char *state, const char *word,
                     bool dry_run, int64_t *count)
{
    struct buf body;
    struct json_writer w;
    struct json_doc *doc;
    buf_init(&body, 8192);
    json_writer_init(&w, &body);
    json_open(&w, '{');
    write_filter(c, &w, state);
    json_pair_bool(&w, "dry_run", dry_run);
    json_close(&w, '}');
    int code = cli_call(c, "POST", path, buf_cstr(&body), &doc);
    buf_release(&body);
    if (code != CLI_OK)
        return code;
    json_i64(json_get(json_root(doc), str_from_cstr(word)), count);
    json_doc_free(doc);
    return CLI_OK;
}

static bool agreed(struct cli *c, const char *verb, int64_t count)
{
    if (cli_flag(c, "yes") || !isatty(STDIN_FILENO))
        return true;
    fprintf(stderr, "%s %lld? [y/N] ", verb, (long long)count);
    int answer = getchar();
    return answer == 'y' || answer == 'Y';
}

static int bulk(struct cli *c, const char *path, const char *state, const char *verb,
                const char *word)
{
    int64_t count = 0;
    int code = post_bulk(c, path, state, word, true, &count);
    if (code != CLI_OK)
        return code;
    if (cli_flag(c, "dry-run")) {
        printf("%lld would be %s\n", (long long)count, word);
        return CLI_OK;
    }
    if (count == 0) {
        puts("nothing matches");
        return CLI_OK;
    }
    if (!agreed(c, verb, count))
        return CLI_REFUSED;
    code = post_bulk(c, path, state, word, false, &count);
    if (code == CLI_OK)
        printf("%lld %s\n", (long long)count, word);
    return code;
}

static int one(struct cli *c, const char *verb, const char *word)
{
    struct buf path, body;
    struct json_doc *doc;
    int64_t count = 0;
    const char *to = cli_option(c, "to");
    bool delivery = strncmp(c->args[0], "dlv_", 4) == 0;
    if (delivery && to)
        return cli_error(CLI_USAGE, "--to makes a new delivery of an event: name the event's id");
    buf_init(&path, 512);
    buf_init(&body, 512);
    buf_printf(&path, "/api/v1/%s/%s/%s", delivery ? "deliveries" : "events", c->args[0], verb);
    if (to) {
        struct json_writer w;
        json_writer_init(&w, &body);
        json_open(&w, '{');
        json_pair(&w, "destination", str_from_cstr(to));
        json_close(&w, '}');
    }
    int code = cli_call(c, "POST", buf_cstr(&path), to ? buf_cstr(&body) : NULL, &doc);
    if (code == CLI_OK) {
        json_i64(json_get(json_root(doc), str_from_cstr(word)), &count);
        printf("%lld %s\n", (long long)count, word);
        json_doc_free(doc);
    }
    buf_release(&path);
    buf_release(&body);
    return code;
}

static bool has_filter(struct cli *c)
{
    for (size_t i = 0; i < ARRAY_LEN(filters); i++)
        if (cli_option(c, filters[i]))
            return true;
    return false;
}

int cli_replay(struct cli *c)
{
    if (c->arg_count)
        return one(c, "replay", "replayed");
    if (!has_filter(c))
        return cli_error(CLI_USAGE, "name an event or a delivery, or say which ones by a filter "
                                    "such as --state dead --since 2h");
    return bulk(c, cli_option(c, "to") ? "/api/v1/events/replay" : "/api/v1/deliveries/replay",
                NULL, "replay", "replayed");
}

int cli_dead_replay(struct cli *c)
{
    return bulk(c, "/api/v1/deliveries/replay", "dead", "replay", "replayed");
}

int cli_cancel(struct cli *c)
{
    if (c->arg_count && strncmp(c->args[0], "dlv_", 4) != 0)
        return cli_error(CLI_USAGE, "cancel takes a delivery's id, dlv_...");
    if (c->arg_count)
        return one(c, "cancel", "cancelled");
    if (!has_filter(c))
        return cli_error(CLI_USAGE, "name a delivery, or say which ones by a filter");
    return bulk(c, "/api/v1/deliveries/cancel", "pending", "cancel", "cancelled");
}

int cli_reload(struct cli *c)
{
    struct json_doc *doc;
    int code = cli_call(c, "POST", "/api/v1/reload", NULL, &doc);
    if (code != CLI_OK)
        return code;
    str warnings = json_str(json_get(json_root(doc), STR("warnings")));
    cli_print_text(warnings);
    puts("reloaded");
    json_doc_free(doc);
    return CLI_OK;
}

int cli_backup(struct cli *c)
{
    struct json_doc *doc;
    struct buf body;
    struct json_writer w;
    char *cwd = NULL;
    str path = str_from_cstr(c->args[0]);
    if (path.n && path.p[0] != '/') {
        cwd = getcwd(NULL, 0);
        path = arena_printf(&c->arena, "%s/%s", cwd ? cwd : ".", c->args[0]);
        free(cwd);
    }
    buf_init(&body, 8192);
    json_writer_init(&w, &body);
    json_open(&w, '{');
    json_pair(&w, "path", path);
    json_close(&w, '}');
    int code = cli_call(c, "POST", "/api/v1/backup", buf_cstr(&body), &doc);
    buf_release(&body);
    if (code != CLI_OK)
        return code;
    printf("copied to " STR_FMT "\n", STR_ARG(path));
    json_doc_free(doc);
    return CLI_OK;
}

int cli_circuit_close(struct cli *c)
{
    struct json_doc *doc;
    struct buf path;
    buf_init(&path, 4096);
    buf_printf(&path, "/api/v1/destinations/");
    percent_encode(&path, str_from_cstr(c->args[0]));
    buf_printf(&path, "/circuit/close");
    int code = cli_call(c, "POST", buf_cstr(&path), NULL, &doc);
    buf_release(&path);
    if (code != CLI_OK)
        return code;
    printf("%s is tried again\n", c->args[0]);
    json_doc_free(doc);
    return CLI_OK;
}
