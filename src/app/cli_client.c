/* cli_client.c -- how a verb reaches the daemon: where it is, the token, a call, a stream. The
 * daemon leaves its address and token in its data directory, readable by its user alone. */
#include "app/cli.h"

#include "base/codec.h"
#include "base/fs.h"
#include "base/yaml.h"
#include "engine/config.h"
#include "http/client.h"

#include <unistd.h>

#define CALL_TIMEOUT_MS 60000

struct place {
    char *url; /* "http://127.0.0.1:8081" or "unix:/path" */
    char *token;
};

const char *cli_config_path(struct cli *c)
{
    const char *path = cli_option(c, "config");
    if (!path)
        path = getenv("GAFF_CONFIG");
    if (path)
        return path;
    if (fs_exists("gaff.yaml"))
        return "gaff.yaml";
    return fs_exists("/etc/gaff/gaff.yaml") ? "/etc/gaff/gaff.yaml" : NULL;
}

static char *directory_of(struct cli *c, const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? arena_cstr(&c->arena, str_of(path, (size_t)(slash - path)))
                 : arena_cstr(&c->arena, STR("."));
}

/* Only the line `store:` of the configuration is read: its secrets need not be at hand. */
static char *data_directory(struct cli *c)
{
    /* Of some verbs --data is a body. */
    bool is_ours = !strstr(c->command->options, "--data ");
    const char *given = is_ours ? cli_option(c, "data") : NULL;
    if (!given)
        given = getenv("GAFF_DATA");
    if (given)
        return arena_cstr(&c->arena, str_from_cstr(given));
    const char *config = cli_config_path(c);
    if (!config)
        return arena_cstr(&c->arena, STR("gaff-data"));
    struct reason why = {0};
    str text, store = STR("sqlite:gaff-data");
    if (fs_read(&c->arena, config, YAML_BYTES_MAX, &text, &why) == ERR_OK) {
        struct yaml *tree = yaml_parse(&c->arena, str_from_cstr(config), text, &why);
        const struct yaml *node = yaml_get(tree, STR("store"));
        if (node && node->kind == YAML_SCALAR && str_starts(node->scalar, STR("sqlite:")))
            store = node->scalar;
    }
    str path = str_slice(store, 7, store.n);
    if (path.n && path.p[0] == '/')
        return arena_cstr(&c->arena, path);
    return arena_cstr(
        &c->arena, arena_printf(&c->arena, "%s/" STR_FMT, directory_of(c, config), STR_ARG(path)));
}

const char *cli_data(struct cli *c)
{
    return data_directory(c);
}

static char *read_line_of(struct cli *c, const char *directory, const char *file)
{
    struct reason why = {0};
    str text;
    char *path = arena_cstr(&c->arena, arena_printf(&c->arena, "%s/%s", directory, file));
    if (fs_read(&c->arena, path, 4096, &text, &why) != ERR_OK)
        return NULL;
    return arena_cstr(&c->arena, str_trim(text));
}

/* Whether the daemon of this configuration keeps its events in PostgreSQL. */
static bool is_node(struct cli *c, const char *config)
{
    struct reason why = {0};
    const char *store = getenv("GAFF_STORE");
    str text;
    if (store)
        return strncmp(store, "postgres:", 9) == 0;
    if (fs_read(&c->arena, config, YAML_BYTES_MAX, &text, &why) != ERR_OK)
        return false;
    const struct yaml *node =
        yaml_get(yaml_parse(&c->arena, str_from_cstr(config), text, &why), STR("store"));
    return node && node->kind == YAML_SCALAR &&
           (str_starts(node->scalar, STR("postgres:")) || str_starts(node->scalar, STR("${")));
}

/* Where everybody is listened to, the own machine is too. */
static char *admin_url(struct cli *c, const struct listen_config *l)
{
    str address = str_from_cstr(l->address);
    if (str_starts(address, STR("unix:")))
        return arena_cstr(&c->arena, address);
    if (str_starts(address, STR("0.0.0.0:")))
        address = str_slice(address, 7, address.n);
    const char *host = str_starts(address, STR(":")) ? "127.0.0.1" : "";
    return arena_cstr(&c->arena,
                      arena_printf(&c->arena, "%s://%s" STR_FMT, l->tls_cert ? "https" : "http",
                                   host, STR_ARG(address)));
}

/* A node on PostgreSQL leaves no files behind: its configuration says both. */
static void ask_configuration(struct cli *c, struct place *p)
{
    struct problems problems = {0};
    const char *path = cli_config_path(c);
    struct config *config = path && is_node(c, path) ? config_load(path, NULL, &problems) : NULL;
    if (config && !p->url && config->admin_listen_count)
        p->url = admin_url(c, &config->admin_listen[0]);
    if (config && !p->token && config->admin_token.n)
        p->token = arena_cstr(&c->arena, secret_str(&config->admin_token));
    problems_release(&problems);
    config_unref(config);
}

static bool find_daemon(struct cli *c, struct place *p)
{
    const char *url = cli_option(c, "api"), *token = cli_option(c, "token");
    url = url ? url : getenv("GAFF_API");
    token = token ? token : getenv("GAFF_TOKEN");
    char *directory = data_directory(c);
    p->url = url ? arena_cstr(&c->arena, str_from_cstr(url)) : NULL;
    p->token = token ? arena_cstr(&c->arena, str_from_cstr(token)) : NULL;
    if (!p->url || !p->token)
        ask_configuration(c, p);
    if (!p->url)
        p->url = read_line_of(c, directory, "admin.url");
    if (!p->token)
        p->token = read_line_of(c, directory, "admin.token");
    if (p->url)
        return true;
    cli_error(CLI_UNREACHABLE,
              "no daemon found: %s/admin.url is not there. Is `gaff serve` running? Name its data "
              "directory with --data, or its address with --api",
              directory);
    return false;
}

static int fetch(struct cli *c, const struct place *p, struct http_call *call, const char *path,
                 void (*on_bytes)(str, void *), void *arg, struct http_answer *answer)
{
    struct http_field fields[2];
    size_t count = 0;
    struct reason why = {0};
    const char *socket = strncmp(p->url, "unix:", 5) == 0 ? p->url + 5 : NULL;
    call->url = arena_printf(&c->arena, "%s%s", socket ? "http://localhost" : p->url, path);
    if (p->token)
        fields[count++] = (struct http_field){STR("Authorization"),
                                              arena_printf(&c->arena, "Bearer %s", p->token)};
    if (call->body.n)
        fields[count++] = (struct http_field){STR("Content-Type"), STR("application/json")};
    call->fields = fields;
    call->field_count = count;
    call->policy = OUTBOUND_PRIVATE;
    if (http_fetch(socket, call, on_bytes, arg, answer, &c->arena, &why) != ERR_OK ||
        answer->class != HTTP_CALL_OK)
        return cli_error(CLI_UNREACHABLE, "cannot reach the daemon at %s: %s", p->url,
                         why.text[0] ? why.text : answer->error);
    return CLI_OK;
}

static int exit_code_of(int status)
{
    if (status < 300)
        return CLI_OK;
    if (status == 401)
        return CLI_AUTH;
    if (status == 404)
        return CLI_NOT_FOUND;
    return status == 403 || status == 409 ? CLI_REFUSED : CLI_FAILED;
}

/* {"loc": ["body", "url"], "msg": ...} of the sending API: a line each. */
static void print_faults(const struct json *faults)
{
    struct json_iter it = {0};
    while (json_next(faults, &it)) {
        char place[256] = "";
        struct json_iter part = {0};
        while (json_next(json_get(it.value, STR("loc")), &part)) {
            size_t n = strlen(place);
            snprintf(place + n, sizeof(place) - n, "%s" STR_FMT, n ? "." : "",
                     STR_ARG(json_str(part.value)));
        }
        cli_error(0, "%s: " STR_FMT, place, STR_ARG(json_str(json_get(it.value, STR("msg")))));
    }
}

static void print_error_of(const struct json_doc *doc, int status)
{
    const struct json *detail = json_get(json_root(doc), STR("detail"));
    str message = json_str(json_path(json_root(doc), STR("error.message")));
    if (!message.n)
        message = json_str(detail);
    if (message.n)
        cli_error(0, STR_FMT, STR_ARG(message));
    else if (json_kind_of(detail) == JSON_ARRAY)
        print_faults(detail);
    else
        cli_error(0, "the daemon answered %d", status);
}

struct gather {
    struct buf bytes;
};

static void gather_bytes(str bytes, void *arg)
{
    buf_str_append(&((struct gather *)arg)->bytes, bytes);
}

int cli_call(struct cli *c, const char *method, const char *path, const char *body,
             struct json_doc **answer)
{
    struct place p;
    struct http_answer a = {0};
    struct reason why = {0};
    struct gather got;
    struct http_call call = {.method = str_from_cstr(method),
                             .body = body ? str_from_cstr(body) : STR(""),
                             .timeout_ms = CALL_TIMEOUT_MS};
    *answer = NULL;
    if (!find_daemon(c, &p))
        return CLI_UNREACHABLE;
    buf_init(&got.bytes, 256u << 20);
    int code = fetch(c, &p, &call, path, gather_bytes, &got, &a);
    if (code == CLI_OK) {
        code = exit_code_of(a.status);
        /* Bytes are handed over as they come for a good answer only. */
        *answer = json_parse(code == CLI_OK ? buf_str(&got.bytes) : a.body, &why);
        if (code != CLI_OK) {
            print_error_of(*answer, a.status);
            json_doc_free(*answer);
            *answer = NULL;
        }
    }
    buf_release(&got.bytes);
    return code;
}

const char *cli_daemon_url(struct cli *c)
{
    struct place p;
    return find_daemon(c, &p) ? p.url : NULL;
}

int cli_stream(struct cli *c, const char *path, void (*on_bytes)(str bytes, void *arg), void *arg)
{
    struct place p;
    struct http_answer a = {0};
    struct http_call call = {.method = STR("GET"), .timeout_ms = 0};
    if (!find_daemon(c, &p))
        return CLI_UNREACHABLE;
    int code = fetch(c, &p, &call, path, on_bytes, arg, &a);
    if (code != CLI_OK || a.status < 300)
        return code;
    struct reason why = {0};
    struct json_doc *doc = json_parse(a.body, &why);
    print_error_of(doc, a.status);
    json_doc_free(doc);
    return exit_code_of(a.status);
}

void cli_query(struct buf *path, const char *name, const char *value)
{
    if (!value)
        return;
    buf_char(path, memchr(path->p, '?', path->len) ? '&' : '?');
    buf_str_append(path, str_from_cstr(name));
    buf_char(path, '=');
    percent_encode(path, str_from_cstr(value));
}
