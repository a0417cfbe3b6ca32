/* cli_look.c -- the verbs that list: events, deliveries, dead letters, refusals, what is
 * configured, status, the disk. */
#include "app/cli.h"

#include "base/codec.h"
#include "base/problem.h"

static const struct cli_column event_columns[] = {
    {"TIME", "received", 0},         {"ID", "id", 0},
    {"SOURCE", "source", 20},        {"TYPE", "type", 30},
    {"VERDICT", "verdict", 0},       {"BYTES", "body_bytes", 0},
    {"DELIVERIES", "deliveries", 40}};

static const struct cli_column delivery_columns[] = {
    {"CREATED", "created", 0}, {"ID", "id", 0},
    {"EVENT", "event_id", 0},  {"DESTINATION", "destination", 24},
    {"STATE", "state", 0},     {"TRIES", "attempts", 0},
    {"NEXT", "next", 0},       {"REASON", "reason", 60}};

static const struct cli_column rejection_columns[] = {{"TIME", "received", 0},
                                                      {"SOURCE", "source", 20},
                                                      {"PEER", "peer", 0},
                                                      {"VERDICT", "verdict", 0},
                                                      {"WHY", "verdict_text", 90}};

static const struct cli_column source_columns[] = {{"NAME", "name", 24},
                                                   {"PATH", "path", 32},
                                                   {"PROVIDER", "provider", 20},
                                                   {"VERIFIED", "verified", 0},
                                                   {"RECEIVED", "received", 0},
                                                   {"REJECTED", "rejected", 0},
                                                   {"DUPLICATES", "duplicates", 0},
                                                   {"LAST", "last_event", 0}};

static const struct cli_column secret_columns[] = {{"SOURCE", "source", 24},
                                                   {"FINGERPRINT", "fingerprint", 0},
                                                   {"ID", "id", 20},
                                                   {"ORIGIN", "origin", 0},
                                                   {"SINCE", "since", 0},
                                                   {"LAST USED", "last_used", 0},
                                                   {"NOT AFTER", "not_after", 0},
                                                   {"WARNING", "warning", 60}};

static const struct cli_column destination_columns[] = {
    {"NAME", "name", 24},           {"KIND", "kind", 0},         {"CIRCUIT", "circuit", 0},
    {"RUNNING", "running", 0},      {"WAITING", "waiting", 0},   {"SUCCEEDED", "succeeded", 0},
    {"FAILED", "failed", 0},        {"DEAD", "dead_letters", 0}, {"LAST OK", "last_success", 0},
    {"LAST BAD", "last_failure", 0}};

static const struct cli_column route_columns[] = {
    {"NAME", "name", 24}, {"FROM", "from", 20}, {"WHEN", "when", 60}, {"TO", "to", 40}};

static const char *const filters[] = {"source", "type",  "destination", "state", "since",
                                      "until",  "limit", "cursor",      "text"};

static int list(struct cli *c, const char *resource, const char *member, const char *state,
                const struct cli_column *columns, size_t count)
{
    struct buf path;
    struct json_doc *doc;
    buf_init(&path, 8192);
    buf_printf(&path, "/api/v1/%s", resource);
    for (size_t i = 0; i < ARRAY_LEN(filters); i++)
        if (!state || strcmp(filters[i], "state") != 0)
            cli_query(&path, filters[i], cli_option(c, filters[i]));
    cli_query(&path, "state", state);
    cli_query(&path, "event_id", cli_option(c, "event"));
    int code = cli_call(c, "GET", buf_cstr(&path), NULL, &doc);
    buf_release(&path);
    if (code != CLI_OK)
        return code;
    cli_print_rows(c, json_get(json_root(doc), str_from_cstr(member)), columns, count);
    str next = json_str(json_get(json_root(doc), STR("next_cursor")));
    if (next.n && c->output == CLI_TABLE)
        fprintf(stderr, "more: --cursor " STR_FMT "\n", STR_ARG(next));
    json_doc_free(doc);
    return CLI_OK;
}

int cli_events_ls(struct cli *c)
{
    return list(c, "events", "events", NULL, event_columns, ARRAY_LEN(event_columns));
}

int cli_deliveries_ls(struct cli *c)
{
    return list(c, "deliveries", "deliveries", NULL, delivery_columns, ARRAY_LEN(delivery_columns));
}

int cli_dead_ls(struct cli *c)
{
    return list(c, "deliveries", "deliveries", "dead", delivery_columns,
                ARRAY_LEN(delivery_columns));
}

int cli_rejected_ls(struct cli *c)
{
    return list(c, "rejections", "rejections", NULL, rejection_columns,
                ARRAY_LEN(rejection_columns));
}

int cli_sources_ls(struct cli *c)
{
    return list(c, "sources", "sources", NULL, source_columns, ARRAY_LEN(source_columns));
}

int cli_secrets(struct cli *c)
{
    return list(c, "secrets", "secrets", NULL, secret_columns, ARRAY_LEN(secret_columns));
}

int cli_secrets_forget(struct cli *c)
{
    struct buf path;
    struct json_doc *doc;
    buf_init(&path, 4096);
    buf_printf(&path, "/api/v1/secrets/");
    percent_encode(&path, str_from_cstr(c->args[0]));
    int code = cli_call(c, "DELETE", buf_cstr(&path), NULL, &doc);
    if (code == CLI_OK)
        printf("forgotten; the next handshake of %s gives a new one\n", c->args[0]);
    json_doc_free(doc);
    buf_release(&path);
    return code;
}

int cli_destinations_ls(struct cli *c)
{
    return list(c, "destinations", "destinations", NULL, destination_columns,
                ARRAY_LEN(destination_columns));
}

int cli_routes_ls(struct cli *c)
{
    return list(c, "routes", "routes", NULL, route_columns, ARRAY_LEN(route_columns));
}

int cli_status(struct cli *c)
{
    struct json_doc *doc;
    int code = cli_call(c, "GET", "/api/v1/status", NULL, &doc);
    if (code != CLI_OK)
        return code;
    if (c->output != CLI_TABLE) {
        cli_print_json(c, json_root(doc));
    } else {
        struct json_iter it = {0};
        while (json_next(json_root(doc), &it))
            printf("%-16.*s " STR_FMT "\n", STR_ARG(it.key),
                   STR_ARG(json_text(&c->arena, it.value)));
    }
    json_doc_free(doc);
    return CLI_OK;
}

int cli_nodes(struct cli *c)
{
    static const struct cli_column columns[] = {{"NAME", "name", 32},
                                                {"STATE", "state", 0},
                                                {"SEEN", "seen", 0},
                                                {"LAG MS", "lag_ms", 0},
                                                {"LANES", "lane_count", 0},
                                                {"OWNS", "lanes", 60},
                                                {"CLOCK MS", "clock_skew_ms", 0},
                                                {"VERSION", "version", 0}};
    struct json_doc *doc;
    int code = cli_call(c, "GET", "/api/v1/nodes", NULL, &doc);
    if (code != CLI_OK)
        return code;
    cli_print_rows(c, json_get(json_root(doc), STR("nodes")), columns, ARRAY_LEN(columns));
    json_doc_free(doc);
    return CLI_OK;
}

/* --- the disk --------------------------------------------------------------------------------- */

/* 1536 as "1.5 KiB", as the dashboard writes it. */
static void print_bytes(const char *name, const struct json *disk, const char *key,
                        const char *otherwise, const char *after)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    int64_t bytes = 0;
    size_t unit = 0;
    if (!json_i64(json_get(disk, str_from_cstr(key)), &bytes)) {
        printf("%-12s %s\n", name, otherwise);
        return;
    }
    double shown = (double)bytes;
    while ((shown >= 1024 || shown <= -1024) && unit + 1 < ARRAY_LEN(units)) {
        shown /= 1024;
        unit++;
    }
    printf("%-12s %.*f %s%s\n", name, unit ? 1 : 0, shown, units[unit], after);
}

static void print_outlook(const struct json *disk)
{
    int64_t days = 0, per_day = 0;
    if (!json_i64(json_get(disk, STR("bytes_per_day")), &per_day))
        printf(
            "outlook      known after ten minutes: the size is noted once an hour, for a week\n");
    else if (json_i64(json_get(disk, STR("full_in_days")), &days))
        printf("outlook      the disk is full in about %lld day%s; a shorter retention.age, or a "
               "retention.size, keeps it from that\n",
               (long long)(days < 1 ? 1 : days), days > 1 ? "s" : "");
    else
        printf("outlook      %s\n", per_day <= 0 ? "the store does not grow" : "it fits");
}

int cli_disk(struct cli *c)
{
    struct json_doc *doc;
    char age[AMOUNT_TEXT_MAX];
    int64_t kept_ms = 0;
    int code = cli_call(c, "GET", "/api/v1/disk", NULL, &doc);
    if (code != CLI_OK)
        return code;
    const struct json *disk = json_root(doc);
    if (c->output != CLI_TABLE) {
        cli_print_json(c, disk);
    } else {
        print_bytes("store", disk, "bytes", "?", "");
        print_bytes("free", disk, "free_bytes", "not known to this store", "");
        print_bytes("growth", disk, "bytes_per_day", "not known yet", " a day");
        print_bytes("levels at", disk, "levels_at_bytes", "-", "");
        (void)json_i64(json_get(disk, STR("retention_age_ms")), &kept_ms);
        printf("%-12s %s\n", "kept", kept_ms ? duration_text(kept_ms, age) : "for ever");
        print_outlook(disk);
    }
    json_doc_free(doc);
    return CLI_OK;
}

/* --- subscriptions at hubs -------------------------------------------------------------------- */

int cli_subscriptions_ls(struct cli *c)
{
    static const struct cli_column columns[] = {{"SOURCE", "name", 24},
                                                {"STATE", "subscription", 0},
                                                {"REASON", "subscription_reason", 60},
                                                {"RECEIVED", "received", 0},
                                                {"LAST", "last_event", 0}};
    struct json_doc *doc, *kept = NULL;
    struct json_iter it = {0};
    struct json_writer w;
    struct buf text;
    struct reason why;
    int code = cli_call(c, "GET", "/api/v1/sources", NULL, &doc);
    if (code != CLI_OK)
        return code;
    buf_init(&text, 16u << 20);
    json_writer_init(&w, &text);
    json_open(&w, '[');
    while (json_next(json_get(json_root(doc), STR("sources")), &it))
        if (json_get(it.value, STR("subscription")))
            json_value(&w, it.value);
    json_close(&w, ']');
    kept = json_parse(buf_str(&text), &why);
    cli_print_rows(c, json_root(kept), columns, ARRAY_LEN(columns));
    json_doc_free(kept);
    json_doc_free(doc);
    buf_release(&text);
    return CLI_OK;
}
