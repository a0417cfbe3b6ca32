/* store_postgres.c -- opens and closes the store on PostgreSQL: library, schema, node, pool. */
#include "store/store_postgres.h"

#include "base/log.h"

#include <stdlib.h>
#include <unistd.h>

#define OPEN_MS 10000
#define SERVER_VERSION_MIN 140000

static struct store_reader *reader_open(struct store *s, struct reason *why)
{
    struct store_reader *r = calloc(1, sizeof(*r));
    if (!r)
        fail(why, ERR_NOMEM, "no memory for a reader");
    else
        r->store = s;
    return r;
}

static void reader_close(struct store_reader *r)
{
    free(r);
}

static void close_store(struct store *base)
{
    struct pg_store *s = pg_of(base);
    pg_node_stop(s);
    pg_pool_release(s);
    recent_free(s->recent);
    pthread_mutex_destroy(&s->days_lock);
    free(s->conninfo);
    free(s->read_conninfo);
    free(s->listen_conninfo);
    free(s);
}

static const struct store_ops postgres_ops = {
    .name = "postgres",
    .commit = pg_commit,
    .claim = pg_claim,
    .unclaim = pg_unclaim,
    .load = pg_load,
    .events = pg_events,
    .deliveries = pg_deliveries,
    .attempts = pg_attempts,
    .attempt_log = pg_attempt_log,
    .rejections = pg_rejections,
    .object = pg_object,
    .objects = pg_objects,
    .object_changes = pg_object_changes,
    .counts = pg_counts,
    .queues = pg_queues,
    .count_listed = pg_count_listed,
    .count_deliveries = pg_count_deliveries,
    .count_attempts = pg_count_attempts,
    .keys = pg_keys,
    .take_seed = pg_take_seed,
    .pending_destinations = pg_pending_destinations,
    .move = pg_move,
    .add_delivery = pg_add_delivery,
    .add_attempts = pg_add_attempts,
    .restore = pg_restore,
    .expunge = pg_expunge,
    .purge = pg_purge,
    .backup = pg_backup,
    .watch = pg_watch,
    .release = pg_release,
    .nodes = pg_nodes,
    .reader_open = reader_open,
    .reader_close = reader_close,
    .close = close_store,
};

char *pg_conninfo(str url)
{
    if (url.n == 0)
        return NULL;
    if (str_find_str(url, STR("://")) == url.n && str_starts(url, STR("postgres:")))
        url = str_slice(url, 9, url.n);
    char *text = xmalloc(url.n + 1);
    memcpy(text, url.p, url.n);
    text[url.n] = '\0';
    return text;
}

static void name_node(struct pg_store *s, str name)
{
    char host[64] = "node";
    gethostname(host, sizeof(host) - 1);
    if (name.n)
        snprintf(s->node.name, sizeof(s->node.name), STR_FMT, STR_ARG(name));
    else
        snprintf(s->node.name, sizeof(s->node.name), "%s", host);
}

static enum err check_server(struct pg_link *l, struct reason *why)
{
    int version = pq->serverVersion(l->c);
    if (version >= SERVER_VERSION_MIN)
        return ERR_OK;
    return fail(why, ERR_INVALID, "PostgreSQL %d is too old: 14 or newer is needed",
                version / 10000);
}

static enum err start(struct pg_store *s, struct reason *why)
{
    struct pg_link l = {0};
    enum err e = pg_link_open(&l, s->conninfo, OPEN_MS, why);
    if (e == ERR_OK)
        e = check_server(&l, why);
    if (e == ERR_OK)
        e = pg_read_health(s, &l, why);
    if (e == ERR_OK && s->require_replicated &&
        atomic_load(&s->base.durability) != STORE_REPLICATED)
        e = fail(why, ERR_CONFLICT,
                 "require_replicated is set, but the database's commits are %s: set "
                 "synchronous_standby_names and synchronous_commit=on there",
                 store_durability_word((enum store_durability)atomic_load(&s->base.durability)));
    if (e == ERR_OK)
        e = pg_migrate(s, &l, why);
    pg_link_close(&l);
    return e == ERR_OK ? pg_node_start(s, why) : e;
}

struct store *store_postgres_open(str url, const struct store_options *o, const struct clock *clock,
                                  struct reason *why)
{
    if (!pq_load(why))
        return NULL;
    struct pg_store *s = xcalloc(1, sizeof(*s));
    s->base.ops = &postgres_ops;
    s->base.shared = true;
    s->base.key_seed = s->dedupe_seed;
    s->base.writers = PG_WRITERS;
    s->clock = clock;
    s->conninfo = pg_conninfo(url);
    s->read_conninfo = pg_conninfo(o->read);
    s->listen_conninfo = pg_conninfo(o->direct);
    s->require_replicated = o->require_replicated;
    s->day_last = -1;
    snprintf(s->version, sizeof(s->version), STR_FMT, STR_ARG(o->version));
    s->recent = recent_new(PG_RECENT_BYTES);
    pthread_mutex_init(&s->days_lock, NULL);
    pthread_mutex_init(&s->node.lock, NULL);
    name_node(s, o->node);
    pg_pool_init(s);
    enum err e = start(s, why);
    if (e == ERR_OK)
        return &s->base;
    if (why && why->code == ERR_CLOSED)
        why->code = ERR_IO;
    close_store(&s->base);
    return NULL;
}
