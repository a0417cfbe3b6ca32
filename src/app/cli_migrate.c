/* cli_migrate.c -- `gaff migrate`: opens both stores, copies, compares. It works on the stores
 * themselves, not through a daemon: the one that owns a SQLite store must be stopped, or a backup
 * of it be copied first and the rest afterwards. */
#include "app/cli.h"

#include "base/clock.h"
#include "store/copy.h"

#define TELL_NS INT64_C(500000000)

struct telling {
    int64_t next_ns;
    bool done;
};

static void tell(const struct copy_progress *p, void *arg)
{
    struct telling *t = arg;
    int64_t now = clock_mono_ns(clock_real());
    if (!t->done && now < t->next_ns)
        return;
    t->next_ns = now + TELL_NS;
    fprintf(stderr, "copied %llu of %llu events, %llu deliveries, %llu attempts, %llu objects\n",
            (unsigned long long)p->events, (unsigned long long)p->events_all,
            (unsigned long long)p->deliveries, (unsigned long long)p->attempts,
            (unsigned long long)p->objects);
}

static int compare(struct store *from, struct store *to)
{
    struct copy_sum a, b;
    struct reason why = {0};
    if (store_sum(from, &a, &why) != ERR_OK || store_sum(to, &b, &why) != ERR_OK)
        return cli_error(CLI_FAILED, "cannot compare: %s", why.text);
    printf("           events  deliveries    attempts  hash\n");
    printf("from %12llu %11llu %11llu  %016llx\n", (unsigned long long)a.events,
           (unsigned long long)a.deliveries, (unsigned long long)a.attempts,
           (unsigned long long)a.hash);
    printf("to   %12llu %11llu %11llu  %016llx\n", (unsigned long long)b.events,
           (unsigned long long)b.deliveries, (unsigned long long)b.attempts,
           (unsigned long long)b.hash);
    if (memcmp(&a, &b, sizeof(a)) != 0)
        return cli_error(CLI_FAILED, "the two differ: was something still at work on one of them? "
                                     "Run it again");
    puts("the same in both");
    return CLI_OK;
}

int cli_migrate(struct cli *c)
{
    const char *from_url = cli_option(c, "from"), *to_url = cli_option(c, "to");
    struct reason why = {0};
    struct copy_progress p = {0};
    struct telling t = {0};
    if (!from_url || !to_url)
        return cli_error(CLI_USAGE, "name both: gaff migrate --from URL --to URL");
    struct store *from = store_open(str_from_cstr(from_url), clock_real(), &why);
    if (!from)
        return cli_error(CLI_FAILED, "--from: %s", why.text);
    struct store *to = store_open(str_from_cstr(to_url), clock_real(), &why);
    int code = CLI_OK;
    if (!to)
        code = cli_error(CLI_FAILED, "--to: %s", why.text);
    else if (store_copy(from, to, &p, tell, &t, &why) != ERR_OK)
        code = cli_error(CLI_FAILED, "%s; run it again to go on", why.text);
    if (code == CLI_OK) {
        t.done = true;
        tell(&p, &t);
        code = compare(from, to);
    }
    store_close(to);
    store_close(from);
    return code;
}
