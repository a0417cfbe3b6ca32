/* cli_tail.c -- gaff tail: reads the server-sent events of /api/v1/tail and prints a line each. */
#include "app/cli.h"

#include "base/clock.h"

struct tail {
    struct cli *c;
    struct buf pending; /* bytes of a line not yet whole */
};

static str member(struct cli *c, const struct json *v, const char *name)
{
    str s = json_text(&c->arena, json_get(v, str_from_cstr(name)));
    return s.p ? s : STR("");
}

static bool wanted(struct cli *c, const struct json *v)
{
    const char *source = cli_option(c, "source"), *destination = cli_option(c, "destination");
    if (source && !str_eq(member(c, v, "source"), str_from_cstr(source)))
        return false;
    return !destination || str_eq(member(c, v, "destination"), str_from_cstr(destination));
}

static void print_event(struct cli *c, const struct json *v, const char *time)
{
    str kind = member(c, v, "kind");
    bool bad = str_eq(kind, STR("rejected"));
    printf("%s  %s%-10.*s%s " STR_FMT "  ", time, cli_color(c, bad ? "red" : "bold"), STR_ARG(kind),
           cli_color(c, "off"), STR_ARG(member(c, v, "id")));
    cli_print_text(member(c, v, "source"));
    putchar(' ');
    cli_print_text(member(c, v, "type"));
    fputs("  ", stdout);
    cli_print_text(member(c, v, bad ? "verdict_text" : "verdict"));
    putchar('\n');
}

static void print_attempt(struct cli *c, const struct json *v, const char *time)
{
    str result = member(c, v, "result");
    int64_t us = 0;
    json_i64(json_get(v, STR("duration_us")), &us);
    printf("%s    -> " STR_FMT "  %s" STR_FMT "%s  #" STR_FMT "  %.1f ms  ", time,
           STR_ARG(member(c, v, "destination")),
           cli_color(c, str_eq(result, STR("success")) ? "green" : "yellow"), STR_ARG(result),
           cli_color(c, "off"), STR_ARG(member(c, v, "attempt")), (double)us / 1000.0);
    cli_print_text(member(c, v, "summary"));
    printf("  [" STR_FMT "]\n", STR_ARG(member(c, v, "state")));
}

/* A line each of what a command wrote. */
static void print_output(struct cli *c, const struct json *v, const char *time)
{
    str rest = member(c, v, "text");
    while (rest.p && rest.n) {
        str line = str_cut(&rest, '\n');
        printf("%s    " STR_FMT " | ", time, STR_ARG(member(c, v, "destination")));
        cli_print_text(line);
        putchar('\n');
    }
}

static void print_data(struct cli *c, str json)
{
    struct reason why = {0};
    struct json_doc *doc = json_parse(json, &why);
    const struct json *v = json_root(doc);
    char time[24];
    if (doc && wanted(c, v)) {
        cli_short_time(member(c, v, "time"), time);
        if (c->output != CLI_TABLE)
            cli_print_json(c, v);
        else if (str_eq(member(c, v, "kind"), STR("output")))
            print_output(c, v, time);
        else if (str_eq(member(c, v, "kind"), STR("attempt")))
            print_attempt(c, v, time);
        else
            print_event(c, v, time);
        fflush(stdout);
    }
    json_doc_free(doc);
    arena_reset(&c->arena);
}

static void got_bytes(str bytes, void *arg)
{
    struct tail *t = arg;
    buf_str_append(&t->pending, bytes);
    for (;;) {
        str all = buf_str(&t->pending);
        size_t end = str_find(all, '\n');
        if (end == all.n)
            return;
        str line = str_trim(str_slice(all, 0, end));
        if (str_starts(line, STR("data: ")))
            print_data(t->c, str_slice(line, 6, line.n));
        buf_consume(&t->pending, end + 1);
    }
}

int cli_tail(struct cli *c)
{
    /* The arena is reset line by line; the connection's own strings live in another. */
    struct cli connection = *c;
    struct tail t = {.c = c};
    arena_init(&connection.arena, 16u << 20);
    buf_init(&t.pending, 8u << 20);
    if (c->terminal)
        fprintf(stderr, "watching; Ctrl-C ends it\n");
    int code = cli_stream(&connection, "/api/v1/tail", got_bytes, &t);
    buf_release(&t.pending);
    arena_release(&connection.arena);
    return code;
}
