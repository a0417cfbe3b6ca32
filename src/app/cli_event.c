/* cli_event.c -- one event told to a person: show, explain. */
#include "app/cli.h"

static str text_of(struct cli *c, const struct json *v, const char *path)
{
    str s = json_text(&c->arena, json_path(v, str_from_cstr(path)));
    return s.p ? s : STR("");
}

static void print_line(struct cli *c, const char *label, str text)
{
    printf("%s%-12s%s ", cli_color(c, "dim"), label, cli_color(c, "off"));
    cli_print_text(text);
    putchar('\n');
}

static const char *state_color(str state)
{
    if (str_eq(state, STR("delivered")) || str_eq(state, STR("success")))
        return "green";
    if (str_eq(state, STR("dead")) || str_eq(state, STR("permanent")))
        return "red";
    return "yellow";
}

static void print_attempt(struct cli *c, const struct json *a, bool whole)
{
    char time[24];
    str result = text_of(c, a, "result");
    int64_t us = 0;
    json_i64(json_get(a, STR("duration_us")), &us);
    cli_short_time(text_of(c, a, "started"), time);
    printf("    #" STR_FMT "  %s  %s" STR_FMT "%s  %.1f ms  ", STR_ARG(text_of(c, a, "number")),
           time, cli_color(c, state_color(result)), STR_ARG(result), cli_color(c, "off"),
           (double)us / 1000.0);
    cli_print_text(text_of(c, a, "summary"));
    putchar('\n');
    if (!whole)
        return;
    for (int i = 0; i < 2; i++) {
        str text = text_of(c, a, i ? "response" : "request");
        if (text.n == 0)
            continue;
        printf("%s    %s%s\n", cli_color(c, "dim"), i ? "answer:" : "sent:", cli_color(c, "off"));
        cli_print_text(text);
        putchar('\n');
    }
}

static void print_deliveries(struct cli *c, const struct json *event, bool whole)
{
    struct json_iter it = {0};
    const struct json *all = json_get(event, STR("deliveries"));
    if (json_len(all) == 0)
        puts("  no delivery was planned");
    while (json_next(all, &it)) {
        str state = text_of(c, it.value, "state"), reason = text_of(c, it.value, "reason");
        char next[24];
        printf("  -> " STR_FMT "  %s" STR_FMT "%s  " STR_FMT " by route " STR_FMT "\n",
               STR_ARG(text_of(c, it.value, "destination")), cli_color(c, state_color(state)),
               STR_ARG(state), cli_color(c, "off"), STR_ARG(text_of(c, it.value, "id")),
               STR_ARG(text_of(c, it.value, "route")));
        cli_short_time(text_of(c, it.value, "next"), next);
        if (next[0] != '-')
            printf("     next try at %s\n", next);
        if (reason.n) {
            fputs("     ", stdout);
            cli_print_text(reason);
            putchar('\n');
        }
        struct json_iter log = {0};
        while (json_next(json_get(it.value, STR("log")), &log))
            print_attempt(c, log.value, whole);
    }
}

static int get_event(struct cli *c, struct json_doc **doc)
{
    struct buf path;
    buf_init(&path, 512);
    buf_printf(&path, "/api/v1/events/%s", c->args[0]);
    int code = cli_call(c, "GET", buf_cstr(&path), NULL, doc);
    buf_release(&path);
    return code;
}

static void write_bytes(str bytes, void *arg)
{
    UNUSED(arg);
    fwrite(bytes.p, 1, bytes.n, stdout);
}

int cli_events_show(struct cli *c)
{
    struct json_doc *doc;
    if (cli_flag(c, "body")) {
        struct buf path;
        buf_init(&path, 512);
        buf_printf(&path, "/api/v1/events/%s/body", c->args[0]);
        int code = cli_stream(c, buf_cstr(&path), write_bytes, NULL);
        buf_release(&path);
        return code;
    }
    int code = get_event(c, &doc);
    if (code != CLI_OK)
        return code;
    const struct json *e = json_root(doc);
    if (c->output != CLI_TABLE) {
        cli_print_json(c, e);
        json_doc_free(doc);
        return CLI_OK;
    }
    static const char *const members[] = {"id",      "received",     "source", "type",
                                          "verdict", "verdict_text", "peer",   "delivery_key"};
    for (size_t i = 0; i < ARRAY_LEN(members); i++)
        print_line(c, members[i], text_of(c, e, members[i]));
    printf("\n%s" STR_FMT " " STR_FMT "%s\n", cli_color(c, "bold"),
           STR_ARG(text_of(c, e, "method")), STR_ARG(text_of(c, e, "target")), cli_color(c, "off"));
    struct json_iter it = {0};
    while (json_next(json_get(e, STR("headers")), &it)) {
        cli_print_text(text_of(c, it.value, "name"));
        fputs(": ", stdout);
        cli_print_text(text_of(c, it.value, "value"));
        putchar('\n');
    }
    putchar('\n');
    str body = text_of(c, e, "body");
    cli_print_text(body.n ? body : text_of(c, e, "body_base64"));
    puts("\n");
    print_deliveries(c, e, true);
    json_doc_free(doc);
    return CLI_OK;
}

int cli_explain(struct cli *c)
{
    struct json_doc *doc;
    int code = get_event(c, &doc);
    if (code != CLI_OK)
        return code;
    const struct json *e = json_root(doc);
    if (c->output != CLI_TABLE) {
        cli_print_json(c, e);
        json_doc_free(doc);
        return CLI_OK;
    }
    printf("event " STR_FMT " arrived at " STR_FMT " from " STR_FMT ", type \"",
           STR_ARG(text_of(c, e, "id")), STR_ARG(text_of(c, e, "source")),
           STR_ARG(text_of(c, e, "peer")));
    cli_print_text(text_of(c, e, "type"));
    fputs("\"\nverification: ", stdout);
    cli_print_text(text_of(c, e, "verdict"));
    fputs(": ", stdout);
    cli_print_text(text_of(c, e, "verdict_text"));
    puts("\nrules:");
    struct json_iter it = {0};
    while (json_next(json_get(e, STR("trace")), &it)) {
        fputs("  ", stdout);
        cli_print_text(json_str(it.value));
        putchar('\n');
    }
    puts("deliveries:");
    print_deliveries(c, e, false);
    json_doc_free(doc);
    return CLI_OK;
}
