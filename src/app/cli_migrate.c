/* cli_migrate.c -- `gaff migrate`. With --from it works on the stores themselves, of which nobody
 * may be at work on either; without, the daemon moves itself while it takes events, and this asks
 * it to, and looks on. */
#include "app/cli.h"

#include "base/clock.h"
#include "base/log.h"
#include "store/copy.h"

#include <unistd.h>

#define TELL_NS INT64_C(500000000)
#define LOOK_US 300000
#define LEFT_NS INT64_C(15000000000) /* some leases of a node */
#define SUMS_HEAD "            events  deliveries    attempts        keys  hash"

/* --- by oneself ------------------------------------------------------------------------------- */

struct telling {
    int64_t next_ns;
    bool done;
};

static void tell_line(uint64_t events, uint64_t all, uint64_t mended, uint64_t compared)
{
    fprintf(stderr, "copied %llu of %llu events, mended %llu, compared %llu\n",
            (unsigned long long)events, (unsigned long long)all, (unsigned long long)mended,
            (unsigned long long)compared);
}

static bool tell(const struct copy_progress *p, void *arg)
{
    struct telling *t = arg;
    int64_t now = clock_mono_ns(clock_real());
    if (!t->done && now < t->next_ns)
        return true;
    t->next_ns = now + TELL_NS;
    tell_line(p->events, p->events_all, p->mended, p->compared);
    return true;
}

static void print_sum(const char *name, const struct copy_sum *s)
{
    printf("%-5s %12llu %11llu %11llu %11llu  %016llx\n", name, (unsigned long long)s->events,
           (unsigned long long)s->deliveries, (unsigned long long)s->attempts,
           (unsigned long long)s->keys, (unsigned long long)s->hash);
}

static enum err copy_all(struct copier *c, str from_name, struct reason *why)
{
    uint64_t left;
    enum err err = copier_start(c, from_name, why);
    if (err == ERR_OK)
        err = copier_follow(c, INT64_MAX, &left, why);
    if (err == ERR_OK)
        err = copier_compare(c, why);
    const struct copy_progress *p = copier_progress(c);
    if (err == ERR_OK || p->compared) {
        puts(SUMS_HEAD);
        print_sum("from", &p->from);
        print_sum("to", &p->to);
    }
    if (p->extra)
        printf("only there: %llu events\n", (unsigned long long)p->extra);
    return err == ERR_OK ? copier_end(c, why) : err;
}

static int copy_stores(struct cli *c, struct store *from, struct store *to, const char *from_url)
{
    struct telling t = {0};
    struct reason why = {0};
    str name = store_url_shown(str_from_cstr(from_url), &c->arena);
    struct copier *copier = copier_new(from, to, NULL, tell, &t, &why);
    enum err err = copier ? copy_all(copier, name, &why) : ERR_IO;
    if (err == ERR_OK)
        err = copy_mark_set(to, COPY_NONE, STR(""), &why);
    if (err == ERR_OK) {
        t.done = true;
        tell(copier_progress(copier), &t);
        puts("the same in both");
    }
    copier_free(copier);
    return err == ERR_OK ? CLI_OK : cli_error(CLI_FAILED, "%s; run it again to go on", why.text);
}

/* Nobody works on either; a node that was just killed is gone when its lease has ended. */
static bool is_left(struct store *s, struct reason *why)
{
    bool told = false;
    int64_t end_ns = clock_mono_ns(clock_real()) + LEFT_NS;
    while (copy_alone(s, why) != ERR_OK) {
        if (why->code != ERR_CONFLICT || clock_mono_ns(clock_real()) > end_ns)
            return false;
        if (!told)
            fprintf(stderr, "%s; waiting for that\n", why->text);
        told = true;
        usleep(LOOK_US);
    }
    return true;
}

static int migrate_here(struct cli *c, const char *from_url, const char *to_url)
{
    struct reason why = {0};
    struct store *from = store_open(str_from_cstr(from_url), clock_real(), &why);
    if (!from)
        return cli_error(CLI_FAILED, "--from: %s", why.text);
    struct store *to = store_open(str_from_cstr(to_url), clock_real(), &why);
    int code;
    if (!to || !is_left(to, &why))
        code = cli_error(CLI_FAILED, "--to: %s", why.text);
    else if (!is_left(from, &why))
        code = cli_error(CLI_FAILED, "--from: %s", why.text);
    else
        code = copy_stores(c, from, to, from_url);
    store_close(to);
    store_close(from);
    return code;
}

/* --- by the daemon ---------------------------------------------------------------------------- */

static uint64_t number(const struct json *v, const char *name)
{
    int64_t n = 0;
    json_i64(json_get(v, str_from_cstr(name)), &n);
    return n > 0 ? (uint64_t)n : 0;
}

static void print_json_sum(const char *name, const struct json *s)
{
    printf("%-5s %12llu %11llu %11llu %11llu  " STR_FMT "\n", name,
           (unsigned long long)number(s, "events"), (unsigned long long)number(s, "deliveries"),
           (unsigned long long)number(s, "attempts"), (unsigned long long)number(s, "keys"),
           STR_ARG(json_str(json_get(s, STR("hash")))));
}

static void print_state(const struct json *v)
{
    str state = json_str(json_get(v, STR("state")));
    tell_line(number(v, "copied"), number(v, "events"), number(v, "mended"), number(v, "compared"));
    if (str_eq(state, STR("following"))) {
        puts(SUMS_HEAD);
        print_json_sum("here", json_get(v, STR("here")));
        print_json_sum("there", json_get(v, STR("there")));
    }
    printf("state: " STR_FMT "\n", STR_ARG(state));
}

/* Until it follows; it may be asked for again at any time. */
static int look_on(struct cli *c)
{
    for (;;) {
        struct json_doc *doc;
        int code = cli_call(c, "GET", "/api/v1/migration", NULL, &doc);
        if (code != CLI_OK)
            return code;
        const struct json *v = json_root(doc);
        str state = json_str(json_get(v, STR("state")));
        bool under_way = str_eq(state, STR("copying")) || str_eq(state, STR("comparing"));
        if (!under_way) {
            print_state(v);
            if (str_eq(state, STR("failed")))
                code = cli_error(CLI_FAILED, STR_FMT "; run it again to go on",
                                 STR_ARG(json_str(json_get(v, STR("reason")))));
            else if (str_eq(state, STR("following")))
                puts("Name the new store in the configuration (`store`), then: "
                     "gaff migrate --finish");
            json_doc_free(doc);
            return code;
        }
        tell_line(number(v, "copied"), number(v, "events"), number(v, "mended"),
                  number(v, "compared"));
        json_doc_free(doc);
        usleep(LOOK_US);
    }
}

static int ask(struct cli *c, const char *method, const char *path)
{
    struct json_doc *doc = NULL;
    int code = cli_call(c, method, path, NULL, &doc);
    json_doc_free(doc);
    return code;
}

/* A directory is the daemon's, which has another working directory. */
static str absolute(struct cli *c, const char *url)
{
    char here[4096];
    str u = str_from_cstr(url);
    if (!str_starts(u, STR("sqlite:")) || str_starts(u, STR("sqlite:/")) ||
        !getcwd(here, sizeof(here)))
        return u;
    return arena_printf(&c->arena, "sqlite:%s/%s", here, url + 7);
}

static int migrate_daemon(struct cli *c, const char *to_url)
{
    struct buf body;
    struct json_writer w;
    struct json_doc *doc = NULL;
    buf_init(&body, 1u << 16);
    json_writer_init(&w, &body);
    json_open(&w, '{');
    json_pair(&w, "to", absolute(c, to_url));
    json_close(&w, '}');
    int code = cli_call(c, "POST", "/api/v1/migration", buf_cstr(&body), &doc);
    json_doc_free(doc);
    buf_release(&body);
    return code == CLI_OK ? look_on(c) : code;
}

int cli_migrate(struct cli *c)
{
    const char *from_url = cli_option(c, "from"), *to_url = cli_option(c, "to");
    if (from_url && to_url)
        return migrate_here(c, from_url, to_url);
    if (to_url)
        return migrate_daemon(c, to_url);
    if (from_url)
        return cli_error(CLI_USAGE, "name both: gaff migrate --from URL --to URL");
    if (cli_flag(c, "stop"))
        return ask(c, "DELETE", "/api/v1/migration");
    if (!cli_flag(c, "finish"))
        return look_on(c);
    int code = ask(c, "POST", "/api/v1/migration/finish");
    if (code == CLI_OK)
        puts("the daemon goes over to the new store");
    return code;
}
