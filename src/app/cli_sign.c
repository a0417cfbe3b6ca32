/* cli_sign.c -- the provider's part by hand: sign a body, send it, judge one that came. */
#include "app/cli.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/fs.h"
#include "base/id.h"
#include "base/problem.h"
#include "engine/config_files.h"
#include "http/client.h"
#include "verify/explain.h"
#include "verify/sign.h"
#include "verify/verify.h"

#define SEND_TIMEOUT_MS 30000
#define HEADERS_MAX 24
#define OPTIONS_MAX 16

/* Those built in, and the user's own that go with the configuration, if there is one. */
struct provider_table *cli_provider_table(struct cli *c)
{
    struct provider_table *t = provider_table_new();
    const char *config = cli_config_path(c);
    const char *directory = config ? config_presets_directory(&c->arena, config) : NULL;
    struct problems problems = {0};
    if (directory && fs_exists(directory))
        provider_table_add_dir(t, directory, &problems);
    for (size_t i = 0; i < problems.count; i++)
        cli_error(0, "%s", problems.v[i].text);
    problems_release(&problems);
    return t;
}

static const struct provider *find_provider(struct cli *c, struct provider_table *t)
{
    const char *id = cli_option(c, "provider"), *nearest = NULL;
    const struct provider *p = provider_find(t, str_from_cstr(id ? id : "none"), &nearest);
    if (!p)
        cli_error(0, "there is no provider \"%s\"%s%s%s", id, nearest ? "; did you mean \"" : "",
                  nearest ? nearest : "", nearest ? "\"?" : "");
    return p;
}

static str secret_option(struct cli *c)
{
    const char *secret = cli_option(c, "secret");
    secret = secret ? secret : getenv("GAFF_SECRET");
    return str_from_cstr(secret ? secret : "");
}

/* "Name: value" lines of the command line. */
static size_t header_options(struct cli *c, struct http_field *out, size_t max)
{
    size_t count = 0;
    for (size_t i = 0; i < c->option_count && count < max; i++) {
        if (strcmp(c->options[i].name, "header") != 0)
            continue;
        str value = str_from_cstr(c->options[i].value);
        str name = str_cut(&value, ':');
        out[count++] = (struct http_field){str_trim(name), value.p ? str_trim(value) : STR("")};
    }
    return count;
}

/* The --option KEY=VALUE of the command line. */
struct config_values {
    str keys[OPTIONS_MAX], values[OPTIONS_MAX];
    size_t count;
};

static bool read_config_values(struct cli *c, struct config_values *out)
{
    out->count = 0;
    for (size_t i = 0; i < c->option_count && out->count < OPTIONS_MAX; i++) {
        if (strcmp(c->options[i].name, "option") != 0)
            continue;
        str value = str_from_cstr(c->options[i].value);
        str key = str_cut(&value, '=');
        if (!value.p) {
            cli_error(0, "--option takes KEY=VALUE, not \"%s\"", c->options[i].value);
            return false;
        }
        out->keys[out->count] = key;
        out->values[out->count++] = value;
    }
    return true;
}

static bool sign_body(struct cli *c, struct provider_table *t, str url, str body,
                      struct http_field fields[SIGN_FIELDS_MAX], size_t *count)
{
    const struct provider *p = find_provider(c, t);
    struct reason why = {0};
    struct id_source ids;
    struct config_values config;
    struct http_field beside[HEADERS_MAX];
    char id[ID_TEXT_MAX];
    if (!p || !read_config_values(c, &config))
        return false;
    id_source_init(&ids, clock_real(), 0);
    const char *given = cli_option(c, "id");
    struct signature_input in = {
        .method = STR("POST"),
        .url = url,
        .id = given ? str_from_cstr(given)
                    : arena_str(&c->arena, id_format("msg", id_next(&ids), id)),
        .event_type = str_from_cstr(cli_option(c, "event")),
        .now_ms = clock_wall_ms(clock_real()),
        .fields = {beside, header_options(c, beside, HEADERS_MAX)},
        .config_keys = config.keys,
        .config_values = config.values,
        .config_count = config.count,
        .body = body,
    };
    if (sign_request(p, secret_option(c), &in, &c->arena, fields, count, &why) == ERR_OK)
        return true;
    cli_error(0, "%s", why.text);
    return false;
}

int cli_sign(struct cli *c)
{
    struct http_field fields[SIGN_FIELDS_MAX];
    size_t count = 0;
    str body;
    struct provider_table *t = cli_provider_table(c);
    int code = CLI_FAILED;
    if (cli_read_input(c, cli_option(c, "file"), &body) &&
        sign_body(c, t, str_from_cstr(cli_option(c, "url")), body, fields, &count)) {
        for (size_t i = 0; i < count; i++)
            printf(STR_FMT ": " STR_FMT "\n", STR_ARG(fields[i].name), STR_ARG(fields[i].value));
        code = CLI_OK;
    }
    provider_table_free(t);
    return code;
}

static bool body_of(struct cli *c, str *body)
{
    const char *data = cli_option(c, "data");
    if (!data)
        return cli_read_input(c, cli_option(c, "file"), body);
    *body = str_from_cstr(data);
    return true;
}

static int post(struct cli *c, str body, const struct http_field *fields, size_t count)
{
    struct http_answer a = {0};
    struct reason why = {0};
    struct http_call call = {.method = STR("POST"),
                             .url = str_from_cstr(c->args[0]),
                             .fields = fields,
                             .field_count = count,
                             .body = body,
                             .policy = OUTBOUND_PRIVATE,
                             .timeout_ms = SEND_TIMEOUT_MS};
    if (http_fetch(NULL, &call, NULL, NULL, &a, &c->arena, &why) != ERR_OK ||
        a.class != HTTP_CALL_OK)
        return cli_error(CLI_UNREACHABLE, "%s: %s", c->args[0], why.text[0] ? why.text : a.error);
    return cli_print_answer(a.status, a.body);
}

/* By name: the daemon signs it with the source's own secret and lets it in by the front door. */
static int send_to_source(struct cli *c, str body)
{
    struct buf path, asked;
    struct json_writer w;
    struct json_doc *doc = NULL;
    const char *type = cli_option(c, "event");
    if (!utf8_valid(body))
        return cli_error(CLI_USAGE, "a body that is no text is sent to a URL, not to a name");
    buf_init(&path, 1024);
    buf_init(&asked, 160u << 20);
    buf_str_append(&path, STR("/api/v1/sources/"));
    percent_encode(&path, str_from_cstr(c->args[0]));
    buf_str_append(&path, STR("/test"));
    json_writer_init(&w, &asked);
    json_open(&w, '{');
    json_pair(&w, "body", body);
    if (type)
        json_pair(&w, "type", str_from_cstr(type));
    json_close(&w, '}');
    int code = cli_call(c, "POST", buf_cstr(&path), buf_cstr(&asked), &doc);
    if (code == CLI_OK) {
        int64_t status = 0;
        (void)json_i64(json_get(json_root(doc), STR("status")), &status);
        code = cli_print_answer((int)status, json_str(json_get(json_root(doc), STR("answer"))));
    }
    json_doc_free(doc);
    buf_release(&path);
    buf_release(&asked);
    return code;
}

int cli_send(struct cli *c)
{
    struct http_field fields[HEADERS_MAX + SIGN_FIELDS_MAX + 1];
    size_t count = 0, signed_count = 0;
    str body;
    if (!strstr(c->args[0], "://"))
        return body_of(c, &body) ? send_to_source(c, body) : CLI_FAILED;
    struct provider_table *t = cli_provider_table(c);
    int code = CLI_FAILED;
    if (body_of(c, &body) &&
        sign_body(c, t, str_from_cstr(c->args[0]), body, fields, &signed_count)) {
        count = signed_count + header_options(c, fields + signed_count, HEADERS_MAX);
        struct http_fields all = {fields, count};
        if (!http_field_get(&all, STR("Content-Type")).p)
            fields[count++] = (struct http_field){STR("Content-Type"), STR("application/json")};
        code = post(c, body, fields, count);
    }
    provider_table_free(t);
    return code;
}

/* What was compared, and the cause that fits. */
static void print_explanation(struct verifier *v, struct http_request *req, int64_t now_ms,
                              const struct verdict *verdict)
{
    char cause[EXPLAIN_CAUSE_MAX];
    struct buf out;
    buf_init(&out, 65536);
    verifier_cause(v, req, now_ms, verdict, cause);
    if (cause[0])
        printf("%s\n", cause);
    verifier_explain(v, req, now_ms, &out);
    printf("\n%s", buf_cstr(&out));
    buf_release(&out);
}

static int judge(struct cli *c, const struct provider *p, struct http_request *req, int64_t now_ms)
{
    struct problems problems = {0};
    struct verdict verdict = {0};
    str secret = secret_option(c);
    struct config_values config;
    if (!read_config_values(c, &config))
        return CLI_USAGE;
    struct verifier_options o = {.provider = p,
                                 .secrets = &secret,
                                 .secret_count = secret.n ? 1 : 0,
                                 .config_keys = config.keys,
                                 .config_values = config.values,
                                 .config_count = config.count};
    struct verifier *v = verifier_new(&o, NULL, &problems);
    if (!v) {
        cli_error(0, "%s", problems.count ? problems.v[0].text : "no verifier can be made");
        problems_release(&problems);
        return CLI_FAILED;
    }
    verifier_check(v, req, now_ms, &verdict);
    bool ok = verdict.code == VERDICT_VERIFIED || verdict.code == VERDICT_UNVERIFIED;
    printf("%s%s%s: %s\n", cli_color(c, ok ? "green" : "red"), verdict_word(verdict.code),
           cli_color(c, "off"), verdict.text);
    print_explanation(v, req, now_ms, &verdict);
    verifier_free(v);
    problems_release(&problems);
    return ok ? CLI_OK : CLI_AUTH;
}

/* Where the request was sent to, cut into its parts. */
static void place_request(struct http_request *req, const char *url)
{
    str text = str_from_cstr(url ? url : "http://localhost/");
    size_t scheme = str_find_str(text, STR("://"));
    req->tls = str_starts(text, STR("https:"));
    if (scheme < text.n) {
        str rest = str_slice(text, scheme + 3, text.n);
        size_t slash = str_find(rest, '/');
        req->host = str_slice(rest, 0, slash);
        text = str_slice(rest, slash, rest.n);
    }
    req->target = text.n ? text : STR("/");
    req->query = req->target;
    req->path = str_cut(&req->query, '?');
    if (!req->query.p)
        req->query = STR("");
}

/* A whole request as it came over the wire (bytes after the head are the body): method, target and
 * fields are taken from it. False when the text does not begin with one. */
static bool read_raw(str text, struct http_request *req, struct http_field *fields)
{
    str rest = text, line = str_trim(str_cut(&rest, '\n'));
    str method = str_cut(&line, ' '), target = line.p ? str_cut(&line, ' ') : STR_NONE;
    if (!line.p || !str_starts(line, STR("HTTP/1.")) || !method.n || !target.n)
        return false;
    req->method = method;
    req->target = req->query = target;
    req->path = str_cut(&req->query, '?');
    if (!req->query.p)
        req->query = STR("");
    size_t count = 0;
    while (rest.p && count < HEADERS_MAX) {
        str value = str_trim(str_cut(&rest, '\n'));
        if (!value.n)
            break;
        str name = str_cut(&value, ':');
        fields[count++] = (struct http_field){str_trim(name), value.p ? str_trim(value) : STR("")};
    }
    req->fields = (struct http_fields){fields, count};
    req->body = rest.p ? rest : STR("");
    str host = http_field_get(&req->fields, STR("Host"));
    if (host.p)
        req->host = host;
    return true;
}

int cli_verify(struct cli *c)
{
    struct http_field fields[HEADERS_MAX];
    struct provider_table *t = cli_provider_table(c);
    const struct provider *p = find_provider(c, t);
    const char *at = cli_option(c, "at");
    int64_t now_ms = clock_wall_ms(clock_real());
    str body;
    int code = CLI_FAILED;
    if (at && !clock_parse(str_from_cstr(at), &now_ms))
        code = cli_error(CLI_USAGE, "--at takes an RFC 3339 time, 2026-11-23T20:00:00Z");
    else if (p && cli_read_input(c, cli_option(c, "file"), &body)) {
        struct http_request req = {.method = STR("POST"),
                                   .host = STR("localhost"),
                                   .peer = STR("127.0.0.1"),
                                   .body = body,
                                   .arena = &c->arena};
        bool raw = read_raw(body, &req, fields);
        if (!raw || cli_option(c, "url"))
            place_request(&req, cli_option(c, "url"));
        if (!raw)
            req.fields = (struct http_fields){fields, header_options(c, fields, HEADERS_MAX)};
        code = judge(c, p, &req, now_ms);
        http_request_release(&req);
    }
    provider_table_free(t);
    return code;
}
