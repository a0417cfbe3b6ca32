/* cli_listen.c -- gaff listen: events of a daemon, near or far, as they are stored; and the tunnel:
 * each is sent on, byte for byte, to a program on this machine. The stream is resumed after a
 * break with the last event that was seen, so none is missed; what comes twice is left out. */
#include "app/cli_listen.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/id.h"
#include "http/client.h"

#include <unistd.h>

#define SEEN_MAX 100000
#define FIELDS_MAX 100
#define TIMEOUT_MS 60000
#define PAUSE_MS_MIN 200
#define PAUSE_MS_MAX 5000

static str member(struct listening *l, const struct json *v, const char *name)
{
    str s = json_text(&l->c->arena, json_get(v, str_from_cstr(name)));
    return s.p ? s : STR("");
}

static str body_of(struct listening *l, const struct json *v)
{
    str text = json_str(json_get(v, STR("body"))),
        coded = json_str(json_get(v, STR("body_base64")));
    size_t n = 0;
    if (!coded.p)
        return text.p ? text : STR("");
    uint8_t *bytes = arena_alloc(&l->c->arena, coded.n + 1);
    return bytes && base64_decode(coded, bytes, coded.n, &n) ? str_of((char *)bytes, n) : STR("");
}

static bool is_of_the_connection(str name)
{
    static const char *const names[] = {
        "Host",   "Content-Length", "Transfer-Encoding", "Connection",
        "Expect", "Keep-Alive",     "Upgrade",           "TE",
        "Trailer"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_eq_nocase(name, str_from_cstr(names[i])))
            return true;
    return false;
}

static size_t read_fields(const struct json *v, struct http_field fields[FIELDS_MAX])
{
    struct json_iter it = {0};
    size_t count = 0;
    while (json_next(json_get(v, STR("headers")), &it) && count < FIELDS_MAX) {
        struct http_field f = {json_str(json_get(it.value, STR("name"))),
                               json_str(json_get(it.value, STR("value")))};
        if (f.name.n && !is_of_the_connection(f.name) && !str_eq(f.value, STR("[redacted]")))
            fields[count++] = f;
    }
    return count;
}

/* Tells the daemon, and so everyone who watches, what this machine's program said. */
static void tell_answer(struct listening *l, str id, const struct http_answer *a, int64_t us)
{
    struct buf body;
    struct json_writer w;
    struct json_doc *ignored;
    buf_init(&body, 4096);
    json_writer_init(&w, &body);
    json_open(&w, '{');
    json_pair_int(&w, "status", a->status);
    json_pair_int(&w, "duration_us", us);
    json_pair(&w, "summary", str_from_cstr(a->status ? http_status_text(a->status) : a->error));
    json_close(&w, '}');
    buf_char(&body, 0);
    char *path = arena_cstr(
        &l->posting.arena, arena_printf(&l->posting.arena, "/api/v1/listen/" STR_FMT, STR_ARG(id)));
    cli_call(&l->posting, "POST", path, body.p, &ignored);
    json_doc_free(ignored);
    buf_release(&body);
    arena_reset(&l->posting.arena);
}

void listening_forward(struct listening *l, const struct json *v)
{
    struct http_field fields[FIELDS_MAX];
    struct http_answer answer = {0};
    struct reason why = {0};
    str target = json_str(json_get(v, STR("target"))), query = target;
    str_cut(&query, '?');
    struct http_call call = {.method = json_str(json_get(v, STR("method"))),
                             .url = query.n ? arena_printf(&l->c->arena, "%s%c" STR_FMT, l->forward,
                                                           strchr(l->forward, '?') ? '&' : '?',
                                                           STR_ARG(query))
                                            : str_from_cstr(l->forward),
                             .fields = fields,
                             .field_count = read_fields(v, fields),
                             .body = body_of(l, v),
                             .policy = OUTBOUND_PRIVATE,
                             .timeout_ms = TIMEOUT_MS};
    int64_t began = clock_mono_ns(clock_real());
    if (http_fetch(NULL, &call, NULL, NULL, &answer, &l->c->arena, &why) != ERR_OK &&
        !answer.error[0])
        snprintf(answer.error, sizeof(answer.error), "%.255s", why.text);
    int64_t us = (clock_mono_ns(clock_real()) - began) / 1000;
    const char *text = answer.status ? http_status_text(answer.status) : answer.error;
    l->shows->answered(l, json_str(json_get(v, STR("id"))), answer.status, text, us);
    tell_answer(l, json_str(json_get(v, STR("id"))), &answer, us);
}

static void print_answer(struct listening *l, str id, int status, const char *text, int64_t us)
{
    bool good = status >= 200 && status < 300;
    UNUSED(id);
    if (l->c->output == CLI_TABLE)
        printf("    -> %s%d %s%s  %.1f ms\n", cli_color(l->c, good ? "green" : "red"), status, text,
               cli_color(l->c, "off"), (double)us / 1000.0);
}

static void print_event(struct listening *l, const struct json *v)
{
    char time[24];
    if (l->c->output != CLI_TABLE) {
        cli_print_json(l->c, v);
        return;
    }
    cli_short_time(member(l, v, "received"), time);
    printf("%s  %s" STR_FMT "%s  ", time, cli_color(l->c, "bold"), STR_ARG(member(l, v, "id")),
           cli_color(l->c, "off"));
    cli_print_text(member(l, v, "source"));
    putchar(' ');
    cli_print_text(member(l, v, "type"));
    printf("  " STR_FMT " bytes\n", STR_ARG(member(l, v, "body_bytes")));
}

static void take(struct listening *l, str json)
{
    struct reason why = {0};
    struct json_doc *doc = json_parse(json, &why);
    const struct json *v = json_root(doc);
    str id = json_str(json_get(v, STR("id")));
    uint64_t key;
    if (id_parse("evt", id, &key) && !idmap_get(&l->seen, key)) {
        if (l->seen.count >= SEEN_MAX)
            idmap_release(&l->seen);
        idmap_put(&l->seen, key, l);
        l->shows->event(l, v);
        if (l->forward)
            listening_forward(l, v);
        fflush(stdout);
        snprintf(l->last, sizeof(l->last), STR_FMT, STR_ARG(id));
    }
    json_doc_free(doc);
    arena_reset(&l->c->arena);
}

static void got_bytes(str bytes, void *arg)
{
    struct listening *l = arg;
    l->pause_ms = PAUSE_MS_MIN;
    buf_str_append(&l->pending, bytes);
    for (;;) {
        str all = buf_str(&l->pending);
        size_t end = str_find(all, '\n');
        if (end == all.n)
            return;
        str line = str_trim(str_slice(all, 0, end));
        /* The first id says where the stream begins: before there is any event. */
        if (str_starts(line, STR("id: ")) && !l->last[0])
            snprintf(l->last, sizeof(l->last), STR_FMT, STR_ARG(str_slice(line, 4, line.n)));
        if (str_starts(line, STR("data: ")))
            take(l, str_slice(line, 6, line.n));
        buf_consume(&l->pending, end + 1);
    }
}

/* One stream, from the last event on; ends when the connection does. */
static int stream(struct listening *l)
{
    struct cli connection = *l->c;
    struct buf path;
    arena_init(&connection.arena, 16u << 20);
    buf_init(&path, 4096);
    buf_clear(&l->pending);
    buf_str_append(&path, STR("/api/v1/listen"));
    cli_query(&path, "source", cli_option(l->c, "source"));
    cli_query(&path, "after", l->last[0] ? l->last : NULL);
    buf_char(&path, 0);
    int code = cli_stream(&connection, path.p, got_bytes, l);
    buf_release(&path);
    arena_release(&connection.arena);
    return code;
}

bool listening_init(struct listening *l, struct cli *c, const struct listen_shows *shows)
{
    struct reason why = {0};
    *l = (struct listening){.c = c,
                            .posting = *c,
                            .shows = shows,
                            .forward = cli_option(c, "forward"),
                            .pause_ms = PAUSE_MS_MIN};
    if (l->forward && http_url_check(str_from_cstr(l->forward), OUTBOUND_PRIVATE, &why) != ERR_OK) {
        cli_error(CLI_USAGE, "--forward: %s", why.text);
        return false;
    }
    if (cli_option(c, "after"))
        snprintf(l->last, sizeof(l->last), "%s", cli_option(c, "after"));
    arena_init(&l->posting.arena, 16u << 20);
    buf_init(&l->pending, 96u << 20);
    return true;
}

void listening_release(struct listening *l)
{
    idmap_release(&l->seen);
    buf_release(&l->pending);
    arena_release(&l->posting.arena);
}

int listening_run(struct listening *l)
{
    for (;;) {
        int code = stream(l);
        if (code != CLI_OK && code != CLI_UNREACHABLE)
            return code; /* refused: it will not be better the next time */
        usleep(l->pause_ms * 1000);
        l->pause_ms = l->pause_ms * 2 > PAUSE_MS_MAX ? PAUSE_MS_MAX : l->pause_ms * 2;
    }
}

int cli_listen(struct cli *c)
{
    static const struct listen_shows lines = {print_event, print_answer};
    struct listening l;
    struct reason why = {0};
    int code;
    bool whole = c->terminal && isatty(STDIN_FILENO) && c->output == CLI_TABLE;
    if (whole && !cli_flag(c, "plain")) {
        if (listen_on_screen(c, &code, &why) == ERR_OK)
            return code;
        fprintf(stderr, "gaff: lines instead of the full screen: %s\n", why.text);
    }
    if (!listening_init(&l, c, &lines))
        return CLI_USAGE;
    if (c->output == CLI_TABLE)
        fprintf(stderr, "listening%s%s; Ctrl-C ends it\n", l.forward ? ", forwarding to " : "",
                l.forward ? l.forward : "");
    code = listening_run(&l);
    listening_release(&l);
    return code;
}
