/* cli_send.c -- the verbs of the sending side: applications, endpoints, messages, event types and
 * jobs. One row a verb says what is called and how the answer is shown; those that take more than
 * one call are in cli_send_act.c. */
#include "app/cli_send.h"

#include "base/codec.h"
#include "base/secret.h"

#include <unistd.h>

#define BODY_MAX (32u << 20)
#define ROWS_MAX (256u << 20)

static const struct cli_column app_columns[] = {{"ID", "id", 0},
                                                {"UID", "uid", 32},
                                                {"NAME", "name", 40},
                                                {"RATE", "throttleRate", 0},
                                                {"CREATED", "createdAt", 0}};

static const struct cli_column endpoint_columns[] = {{"ID", "id", 0},
                                                     {"UID", "uid", 24},
                                                     {"URL", "url", 60},
                                                     {"DISABLED", "disabled", 0},
                                                     {"EVENT TYPES", "eventTypes", 40},
                                                     {"CHANNELS", "channels", 24},
                                                     {"RATE", "throttleRate", 0},
                                                     {"CREATED", "createdAt", 0}};

static const struct cli_column message_columns[] = {
    {"TIME", "timestamp", 0},        {"ID", "id", 0},
    {"EVENT TYPE", "eventType", 32}, {"EVENT ID", "eventId", 24},
    {"CHANNELS", "channels", 24},    {"TAGS", "tags", 24}};

static const struct cli_column endpoint_message_columns[] = {{"TIME", "timestamp", 0},
                                                             {"ID", "id", 0},
                                                             {"EVENT TYPE", "eventType", 32},
                                                             {"STATUS", "statusText", 0},
                                                             {"NEXT", "nextAttempt", 0}};

static const struct cli_column message_endpoint_columns[] = {
    {"ID", "id", 0}, {"URL", "url", 60}, {"STATUS", "statusText", 0}, {"NEXT", "nextAttempt", 0}};

static const struct cli_column attempt_columns[] = {
    {"TIME", "timestamp", 0},        {"ID", "id", 0},
    {"MESSAGE", "msgId", 0},         {"ENDPOINT", "endpointId", 0},
    {"STATUS", "statusText", 0},     {"CODE", "responseStatusCode", 0},
    {"MS", "responseDurationMs", 0}, {"ANSWER", "response", 40}};

static const struct cli_column type_columns[] = {
    {"NAME", "name", 40},        {"DESCRIPTION", "description", 60}, {"GROUP", "groupName", 24},
    {"ARCHIVED", "archived", 0}, {"DEPRECATED", "deprecated", 0},    {"UPDATED", "updatedAt", 0}};

static const struct cli_column task_columns[] = {{"ID", "id", 0},
                                                 {"TASK", "task", 0},
                                                 {"STATUS", "status", 0},
                                                 {"COUNT", "data.count", 0},
                                                 {"ENDPOINT", "data.endpointId", 0},
                                                 {"UPDATED", "updatedAt", 0}};

enum shape { LIST, ONE, QUIET };

#define COLUMNS(c) c, ARRAY_LEN(c)

static const struct verb {
    const char *words, *method, *path; /* {}: the next argument */
    enum shape shape;
    const char *member; /* of the body, for the argument that the path leaves; NULL: none */
    const struct cli_column *columns; /* of LIST */
    size_t column_count;
    const char *said; /* of QUIET */
} verbs[] = {
    {"apps ls", "GET", "/app", LIST, NULL, COLUMNS(app_columns), NULL},
    {"apps show", "GET", "/app/{}", ONE, NULL, NULL, 0, NULL},
    {"apps create", "POST", "/app", ONE, "name", NULL, 0, NULL},
    {"apps update", "PATCH", "/app/{}", ONE, NULL, NULL, 0, NULL},
    {"apps delete", "DELETE", "/app/{}", QUIET, NULL, NULL, 0, "deleted, with its endpoints"},
    {"apps expire-tokens", "POST", "/auth/app/{}/expire-all", QUIET, NULL, NULL, 0,
     "every token of the application is void"},

    {"endpoints ls", "GET", "/app/{}/endpoint", LIST, NULL, COLUMNS(endpoint_columns), NULL},
    {"endpoints show", "GET", "/app/{}/endpoint/{}", ONE, NULL, NULL, 0, NULL},
    {"endpoints create", "POST", "/app/{}/endpoint", ONE, "url", NULL, 0, NULL},
    {"endpoints update", "PATCH", "/app/{}/endpoint/{}", ONE, NULL, NULL, 0, NULL},
    {"endpoints delete", "DELETE", "/app/{}/endpoint/{}", QUIET, NULL, NULL, 0,
     "deleted; what waited for it is cancelled"},
    {"endpoints stats", "GET", "/app/{}/endpoint/{}/stats", ONE, NULL, NULL, 0, NULL},
    {"endpoints attempts", "GET", "/app/{}/attempt/endpoint/{}", LIST, NULL,
     COLUMNS(attempt_columns), NULL},
    {"endpoints messages", "GET", "/app/{}/endpoint/{}/msg", LIST, NULL,
     COLUMNS(endpoint_message_columns), NULL},
    {"endpoints example", "POST", "/app/{}/endpoint/{}/send-example", ONE, "eventType", NULL, 0,
     NULL},

    {"messages ls", "GET", "/app/{}/msg", LIST, NULL, COLUMNS(message_columns), NULL},
    {"messages show", "GET", "/app/{}/msg/{}", ONE, NULL, NULL, 0, NULL},
    {"messages create", "POST", "/app/{}/msg", ONE, "eventType", NULL, 0, NULL},
    {"messages attempts", "GET", "/app/{}/attempt/msg/{}", LIST, NULL, COLUMNS(attempt_columns),
     NULL},
    {"messages endpoints", "GET", "/app/{}/msg/{}/endpoint", LIST, NULL,
     COLUMNS(message_endpoint_columns), NULL},
    {"messages resend", "POST", "/app/{}/msg/{}/endpoint/{}/resend", QUIET, NULL, NULL, 0,
     "it is sent again"},
    {"messages expunge", "DELETE", "/app/{}/msg/{}/content", QUIET, NULL, NULL, 0,
     "its payload is gone"},

    {"event-types ls", "GET", "/event-type", LIST, NULL, COLUMNS(type_columns), NULL},
    {"event-types show", "GET", "/event-type/{}", ONE, NULL, NULL, 0, NULL},
    {"event-types create", "POST", "/event-type", ONE, "name", NULL, 0, NULL},
    {"event-types update", "PATCH", "/event-type/{}", ONE, NULL, NULL, 0, NULL},
    {"event-types delete", "DELETE", "/event-type/{}", QUIET, NULL, NULL, 0,
     "no longer offered; `gaff event-types create` brings it back unless it was expunged"},

    {"tasks ls", "GET", "/background-task", LIST, NULL, COLUMNS(task_columns), NULL},
    {"tasks show", "GET", "/background-task/{}", ONE, NULL, NULL, 0, NULL},
    {"tasks cancel", "POST", "/background-task/{}/cancel", ONE, NULL, NULL, 0, NULL},
};

static const struct verb *verb_of(const struct cli *c)
{
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        if (strcmp(verbs[i].words, c->command->words) == 0)
            return &verbs[i];
    return NULL;
}

size_t cli_send_path(struct cli *c, const char *pattern, struct buf *out)
{
    size_t used = 0;
    buf_str_append(out, STR("/api/v1"));
    for (const char *p = pattern; *p; p++) {
        if (p[0] == '{' && p[1] == '}') {
            percent_encode(out, str_from_cstr(c->args[used++]));
            p++;
        } else {
            buf_char(out, *p);
        }
    }
    return used;
}

void cli_send_show(struct cli *c, const struct json *object)
{
    struct json_iter it = {0};
    if (c->output == CLI_ID) {
        str id = json_str(json_get(object, STR("id")));
        printf(STR_FMT "\n", STR_ARG(id.n ? id : json_str(json_get(object, STR("name")))));
        return;
    }
    if (c->output != CLI_TABLE) {
        cli_print_json(c, object);
        return;
    }
    while (json_next(object, &it)) {
        printf("%s%-18.*s%s ", cli_color(c, "dim"), STR_ARG(it.key), cli_color(c, "off"));
        cli_print_text(json_kind_of(it.value) == JSON_NULL ? STR("-")
                                                           : json_text(&c->arena, it.value));
        putchar('\n');
    }
}

/* --- parameters ------------------------------------------------------------------------------- */

/* Options that are parameters of a list (or of a delete) under another name. */
static const struct {
    const char *option, *parameter;
} parameters[] = {{"limit", "limit"},          {"cursor", "iterator"},
                  {"order", "order"},          {"event-type", "event_types"},
                  {"channel", "channel"},      {"tag", "tag"},
                  {"status", "status"},        {"code", "status_code_class"},
                  {"endpoint", "endpoint_id"}, {"task", "task"}};

static const struct {
    const char *word, *value;
} statuses[] = {
    {"success", "0"}, {"pending", "1"}, {"fail", "2"}, {"sending", "3"}, {"canceled", "4"}};

static const char *parameter_value(struct cli *c, const char *option)
{
    const char *value = cli_option(c, option);
    for (size_t i = 0; value && strcmp(option, "status") == 0 &&
                       !strstr(c->command->words, "tasks") && i < ARRAY_LEN(statuses);
         i++)
        if (strcmp(value, statuses[i].word) == 0)
            return statuses[i].value;
    return value;
}

static bool add_parameters(struct cli *c, struct buf *path)
{
    static const char *const times[] = {"before", "after"};
    for (size_t i = 0; i < ARRAY_LEN(parameters); i++)
        cli_query(path, parameters[i].parameter, parameter_value(c, parameters[i].option));
    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        bool good;
        cli_query(path, times[i], cli_send_time(c, times[i], cli_option(c, times[i]), &good));
        if (!good)
            return false;
    }
    if (cli_flag(c, "archived"))
        cli_query(path, "include_archived", "true");
    return true;
}

/* --- lists ------------------------------------------------------------------------------------ */

static void tell_more(struct cli *c, const struct json *answer)
{
    str next = json_str(json_get(answer, STR("iterator")));
    if (c->output == CLI_TABLE && next.n && !json_bool(json_get(answer, STR("done"))))
        fprintf(stderr, "more: --cursor " STR_FMT ", or --all\n", STR_ARG(next));
}

/* Adds the rows of one page, and the place of the next to *path. False at the end. */
static bool add_page(struct json_writer *rows, const struct json *answer, struct buf *path,
                     size_t path_length)
{
    struct json_iter it = {0};
    str next = json_str(json_get(answer, STR("iterator")));
    while (json_next(json_get(answer, STR("data")), &it))
        json_value(rows, it.value);
    path->len = path_length;
    if (!next.n || json_bool(json_get(answer, STR("done"))))
        return false;
    char text[512];
    snprintf(text, sizeof(text), STR_FMT, STR_ARG(next));
    cli_query(path, "iterator", text);
    return true;
}

static int list_all(struct cli *c, const struct verb *v, struct buf *path)
{
    struct buf text;
    struct json_writer w;
    struct reason why = {0};
    size_t length = path->len;
    bool more = true;
    int code = CLI_OK;
    buf_init(&text, ROWS_MAX);
    json_writer_init(&w, &text);
    json_open(&w, '[');
    while (more && code == CLI_OK) {
        struct json_doc *doc;
        code = cli_call(c, "GET", buf_cstr(path), NULL, &doc);
        more = code == CLI_OK && add_page(&w, json_root(doc), path, length);
        json_doc_free(doc);
    }
    json_close(&w, ']');
    struct json_doc *rows = code == CLI_OK ? json_parse(buf_str(&text), &why) : NULL;
    if (code == CLI_OK && !rows)
        code = cli_error(CLI_FAILED, "that is too much at once; use --limit and --cursor");
    if (rows)
        cli_print_rows(c, json_root(rows), v->columns, v->column_count);
    json_doc_free(rows);
    buf_release(&text);
    return code;
}

static int list(struct cli *c, const struct verb *v, struct buf *path)
{
    struct json_doc *doc;
    if (cli_flag(c, "all"))
        return list_all(c, v, path);
    int code = cli_call(c, "GET", buf_cstr(path), NULL, &doc);
    if (code != CLI_OK)
        return code;
    cli_print_rows(c, json_get(json_root(doc), STR("data")), v->columns, v->column_count);
    tell_more(c, json_root(doc));
    json_doc_free(doc);
    return CLI_OK;
}

/* --- the rest --------------------------------------------------------------------------------- */

/* What can't be taken back is asked about on a terminal. */
static bool agreed(struct cli *c)
{
    if (cli_flag(c, "yes") || !isatty(STDIN_FILENO))
        return true;
    fprintf(stderr, "%s %s? [y/N] ", c->command->words, c->args[c->arg_count - 1]);
    int answer = getchar();
    return answer == 'y' || answer == 'Y';
}

static int call(struct cli *c, const struct verb *v, const char *path, const char *body)
{
    struct json_doc *doc;
    int code = cli_call(c, v->method, path, body, &doc);
    if (code == CLI_OK && v->shape == ONE)
        cli_send_show(c, json_root(doc));
    else if (code == CLI_OK && c->output == CLI_TABLE)
        puts(v->said);
    json_doc_free(doc);
    return code;
}

static int with_body(struct cli *c, const struct verb *v, const char *path, size_t used)
{
    struct buf body;
    bool empty;
    buf_init(&body, BODY_MAX);
    const char *rest = v->member && used < c->arg_count ? c->args[used] : NULL;
    bool good = cli_send_body(c, rest ? v->member : NULL, rest, &body, &empty);
    int code = !good ? CLI_USAGE
               : empty && strcmp(v->method, "PATCH") == 0
                   ? cli_error(CLI_USAGE, "nothing to change; see `gaff %s --help`", v->words)
                   : call(c, v, path, buf_cstr(&body));
    if (body.p)
        secret_wipe(body.p, body.len);
    buf_release(&body);
    return code;
}

int cli_sending(struct cli *c)
{
    const struct verb *v = verb_of(c);
    struct buf path;
    int code;
    buf_init(&path, 65536);
    size_t used = cli_send_path(c, v->path, &path);
    if (strcmp(v->method, "DELETE") == 0 && cli_flag(c, "expunge"))
        cli_query(&path, "expunge", "true");
    if (v->shape == LIST)
        code = add_parameters(c, &path) ? list(c, v, &path) : CLI_USAGE;
    else if (strcmp(v->method, "DELETE") == 0 && !agreed(c))
        code = CLI_REFUSED;
    else if (strcmp(v->method, "PATCH") == 0 || v->member)
        code = with_body(c, v, buf_cstr(&path), used);
    else
        code = call(c, v, buf_cstr(&path), NULL);
    buf_release(&path);
    return code;
}
