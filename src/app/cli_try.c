/* cli_try.c -- gaff try: a new configuration against stored events, without doing anything. The
 * daemon compares with the configuration in force; with --store the store is opened here (a copy,
 * or that of a daemon that is down), and what was planned then is what is compared with. */
#include "app/cli.h"

#include "base/fs.h"
#include "base/map.h"
#include "api/api.h"
#include "engine/try.h"

#include <unistd.h>

#define EVENTS_DEFAULT 10000
#define EVENTS_MAX 10000000
#define CONFIG_BYTES_MAX (4u << 20)

struct sum {
    struct cli *c;
    uint64_t wanted, events, changed, told;
    struct map less, more;  /* by destination: how many */
    struct buf differences; /* JSON, joined by commas */
};

static void add(struct map *m, str name, int64_t n)
{
    map_put(m, name, (void *)((uintptr_t)map_get(m, name) + (uintptr_t)n));
}

static int64_t number(const struct json *o, const char *name)
{
    int64_t n = 0;
    (void)json_i64(json_get(o, str_from_cstr(name)), &n);
    return n;
}

static void note_step(struct sum *s, const struct json *step)
{
    struct json_iter it = {0};
    s->events += (uint64_t)number(step, "events");
    s->changed += (uint64_t)number(step, "changed");
    while (json_next(json_get(step, STR("destinations")), &it)) {
        str name = json_str(json_get(it.value, STR("name")));
        add(&s->less, name, number(it.value, "less"));
        add(&s->more, name, number(it.value, "more"));
    }
    it = (struct json_iter){0};
    while (s->told < TRY_DIFFERENCES_MAX && json_next(json_get(step, STR("differences")), &it)) {
        if (s->told++)
            buf_char(&s->differences, ',');
        buf_str_append(&s->differences, json_text(&s->c->arena, it.value));
    }
    if (isatty(2) && s->wanted > EVENTS_DEFAULT)
        fprintf(stderr, "\r%llu of %llu events", (unsigned long long)s->events,
                (unsigned long long)s->wanted);
}

/* --- by the daemon ---------------------------------------------------------------------------- */

static int ask_daemon(struct sum *s, const char *file, str text)
{
    char cursor[64] = "";
    int code = CLI_OK;
    const char *slash = strrchr(file, '/');
    while (code == CLI_OK && s->events < s->wanted) {
        struct json_doc *doc = NULL;
        struct json_writer w;
        struct buf body;
        uint64_t left = s->wanted - s->events;
        buf_init(&body, 8 * CONFIG_BYTES_MAX);
        json_writer_init(&w, &body);
        json_open(&w, '{');
        json_pair(&w, "config", text);
        json_pair(&w, "file", str_from_cstr(slash ? slash + 1 : file));
        json_pair_int(&w, "limit", (int64_t)(left < TRY_STEP_MAX ? left : TRY_STEP_MAX));
        if (cursor[0])
            json_pair(&w, "cursor", str_from_cstr(cursor));
        json_close(&w, '}');
        code = cli_call(s->c, "POST", "/api/v1/try", buf_cstr(&body), &doc);
        buf_release(&body);
        if (code != CLI_OK)
            return code;
        note_step(s, json_root(doc));
        str next = json_str(json_get(json_root(doc), STR("next_cursor")));
        (void)snprintf(cursor, sizeof(cursor), STR_FMT, STR_ARG(next));
        json_doc_free(doc);
        if (!next.n)
            break;
    }
    return code;
}

/* --- here ------------------------------------------------------------------------------------- */

static struct config *load(const char *file)
{
    struct problems p = {0};
    struct config *c = config_load(file, NULL, &p);
    for (size_t i = 0; i < p.count; i++)
        if (!p.v[i].warning)
            fprintf(stderr, "%s\n", p.v[i].text);
    problems_release(&p);
    return c;
}

static enum err try_all(struct sum *s, const struct config *next, struct store_reader *r,
                        struct reason *why)
{
    uint64_t before = 0;
    enum err err = ERR_OK;
    do {
        struct try_result t;
        struct arena a;
        struct buf out;
        struct json_writer w;
        uint64_t left = s->wanted - s->events;
        arena_init(&a, 64u << 20);
        buf_init(&out, 64u << 20);
        json_writer_init(&w, &out);
        err =
            try_step(NULL, next, r, before, left < TRY_STEP_MAX ? left : TRY_STEP_MAX, &a, &t, why);
        if (err == ERR_OK) {
            try_result_write(&w, &t);
            struct json_doc *doc = json_parse(buf_str(&out), NULL);
            note_step(s, json_root(doc));
            json_doc_free(doc);
            before = t.next;
        }
        buf_release(&out);
        arena_release(&a);
    } while (err == ERR_OK && before && s->events < s->wanted);
    return err;
}

static int try_here(struct sum *s, const char *file, const char *url)
{
    struct reason why = {.text = ""};
    struct config *next = load(file);
    if (!next)
        return CLI_FAILED;
    struct store *store = store_open(str_from_cstr(url), clock_real(), &why);
    struct store_reader *r = store ? store_reader_open(store, &why) : NULL;
    enum err err = r ? try_all(s, next, r, &why) : why.code;
    store_reader_close(r);
    store_close(store);
    config_unref(next);
    return err == ERR_OK ? CLI_OK : cli_error(CLI_FAILED, "%s", why.text);
}

/* --- the answer ------------------------------------------------------------------------------- */

static void print_names(const struct json *list)
{
    struct json_iter it = {0};
    bool any = false;
    while (json_next(list, &it)) {
        if (any)
            fputs(", ", stdout);
        cli_print_text(json_str(it.value));
        any = true;
    }
    if (!any)
        fputs("nowhere", stdout);
}

static void print_table(struct sum *s, const struct json *all, const char *with)
{
    struct map_entry e;
    struct json_iter it = {0};
    printf("of the last %llu events, %llu would go elsewhere (compared with %s)\n",
           (unsigned long long)s->events, (unsigned long long)s->changed, with);
    for (size_t i = 0; map_next(&s->less, &i, &e);)
        printf("  %-24.*s -%llu +%llu\n", STR_ARG(e.key), (unsigned long long)(uintptr_t)e.value,
               (unsigned long long)(uintptr_t)map_get(&s->more, e.key));
    while (json_next(json_get(all, STR("differences")), &it)) {
        printf(STR_FMT "  ", STR_ARG(json_str(json_get(it.value, STR("id")))));
        cli_print_text(json_str(json_get(it.value, STR("source"))));
        putchar(' ');
        cli_print_text(json_str(json_get(it.value, STR("type"))));
        fputs("  ", stdout);
        print_names(json_get(it.value, STR("was")));
        fputs(" -> ", stdout);
        print_names(json_get(it.value, STR("would")));
        putchar('\n');
    }
    if (s->changed > s->told)
        printf("and %llu more\n", (unsigned long long)(s->changed - s->told));
}

static void print(struct sum *s, const char *with)
{
    struct buf out;
    struct json_writer w;
    struct map_entry e;
    buf_init(&out, 256u << 20);
    json_writer_init(&w, &out);
    json_open(&w, '{');
    json_pair_int(&w, "events", (int64_t)s->events);
    json_pair_int(&w, "changed", (int64_t)s->changed);
    json_pair(&w, "compared_with", str_from_cstr(with));
    json_key(&w, "destinations");
    json_open(&w, '[');
    for (size_t i = 0; map_next(&s->less, &i, &e);) {
        json_open(&w, '{');
        json_pair(&w, "name", e.key);
        json_pair_int(&w, "less", (int64_t)(uintptr_t)e.value);
        json_pair_int(&w, "more", (int64_t)(uintptr_t)map_get(&s->more, e.key));
        json_close(&w, '}');
    }
    json_close(&w, ']');
    json_key(&w, "differences");
    json_open(&w, '[');
    buf_str_append(&out, buf_str(&s->differences));
    json_close(&w, ']');
    json_close(&w, '}');
    struct json_doc *doc = json_parse(buf_str(&out), NULL);
    if (s->c->output == CLI_TABLE)
        print_table(s, json_root(doc), with);
    else
        cli_print_json(s->c, json_root(doc));
    json_doc_free(doc);
    buf_release(&out);
}

int cli_try(struct cli *c)
{
    const char *file = cli_option(c, "config"), *last = cli_option(c, "last");
    const char *store = cli_option(c, "store");
    struct sum s = {.c = c, .wanted = EVENTS_DEFAULT};
    struct reason why = {.text = ""};
    str text;
    if (!file)
        return cli_error(CLI_USAGE, "name the new configuration: gaff try --config new.yaml");
    if (last && (!str_to_u64(str_from_cstr(last), &s.wanted) || !s.wanted || s.wanted > EVENTS_MAX))
        return cli_error(CLI_USAGE, "--last takes a number of events, at most %d", EVENTS_MAX);
    if (fs_read(&c->arena, file, CONFIG_BYTES_MAX, &text, &why) != ERR_OK)
        return cli_error(CLI_USAGE, "%s", why.text);
    buf_init(&s.differences, 128u << 20);
    int code = store ? try_here(&s, file, store) : ask_daemon(&s, file, text);
    if (isatty(2) && s.wanted > EVENTS_DEFAULT)
        fputs("\r\033[K", stderr);
    if (code == CLI_OK)
        print(&s, store ? "what was done then" : "the configuration in force");
    buf_release(&s.differences);
    map_release(&s.less);
    map_release(&s.more);
    if (code == CLI_OK && s.changed && cli_flag(c, "fail-on-change"))
        return CLI_FAILED;
    return code;
}
