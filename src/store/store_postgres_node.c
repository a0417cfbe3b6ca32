/* store_postgres_node.c -- this node among the others: joins, beats once a second, hears hints,
 * asks for the lanes it should own and hears which of its own are wanted elsewhere.
 *
 * The lease: a beat that was sent at t and answered extends it to t + PG_LEASE_MS of the database,
 * and to somewhat less for us, so that we stop before anybody else may start. What the database
 * calls dead is dead: all claims are void, and the node joins anew under another epoch.
 *
 * Who should own a lane: each node ranks the living nodes by a hash of node and lane; the first
 * one asks for it. Hints (LISTEN/NOTIFY) only make things sooner: each beat looks as well. */
#include "store/store_postgres.h"

#include "base/log.h"
#include "base/rand.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#define LEASE_MARGIN_MS 1500
#define NODE_MS 2000 /* for a beat */
#define HINT_CHANNEL "gaff_due"
#define OBJECT_CHANNEL "gaff_objects"
#define EXPUNGED_CHANNEL "gaff_expunged"
#define NODES_MAX STORE_NODES_MAX
#define DOUBT_TRIES 5
#define TIDY_S 30

/* --- lanes ------------------------------------------------------------------------------------ */

struct pg_lane *pg_node_lane(struct pg_node *n, str destination)
{
    struct pg_lane *lane = map_get(&n->lanes, destination);
    if (!lane) {
        lane = xcalloc(1, sizeof(*lane));
        snprintf(lane->destination, sizeof(lane->destination), STR_FMT, STR_ARG(destination));
        map_put(&n->lanes, destination, lane);
    }
    return lane;
}

static void wake(struct pg_node *n)
{
    char c = 0;
    if (write(n->wake[1], &c, 1) < 0 && errno != EAGAIN)
        log_line(LOG_ERROR, "cannot wake the node's thread");
}

void pg_node_hint(struct pg_store *s, str destination)
{
    struct pg_node *n = &s->node;
    pthread_mutex_lock(&n->lock);
    struct pg_lane *lane = map_get(&n->lanes, destination);
    bool own = lane && lane->owner && lane->owner == atomic_load(&s->epoch);
    bool first = n->hints.count == 0;
    if (!own)
        map_put(&n->hints, destination, n);
    pthread_mutex_unlock(&n->lock);
    if (!own && first)
        wake(n);
}

void pg_node_doubt(struct pg_store *s, int64_t stamp)
{
    struct pg_node *n = &s->node;
    pthread_mutex_lock(&n->lock);
    if (n->doubt_count < PG_DOUBTS_MAX)
        n->doubts[n->doubt_count++] = (struct pg_doubt){.stamp = stamp, .next_ns = pg_now_ns()};
    else
        log_line(LOG_ERROR, "too many answers of the database were lost; what they claimed stays "
                            "claimed until this node is started anew");
    pthread_mutex_unlock(&n->lock);
}

void pg_watch(struct store *base, store_watch_fn *fn, void *arg)
{
    struct pg_node *n = &pg_of(base)->node;
    pthread_mutex_lock(&n->lock);
    n->watch = fn;
    n->watch_arg = arg;
    pthread_mutex_unlock(&n->lock);
}

/* Under the lock, so that pg_watch(NULL) returns when nothing is being told any more. */
static void tell(struct pg_store *s, enum store_note note, str destination)
{
    struct pg_node *n = &s->node;
    pthread_mutex_lock(&n->lock);
    if (n->watch)
        n->watch(note, destination, n->watch_arg);
    pthread_mutex_unlock(&n->lock);
}

/* --- joining ---------------------------------------------------------------------------------- */

static void note_clock(struct pg_store *s, int64_t database_ms, int64_t sent_ns)
{
    int64_t half_ms = (pg_now_ns() - sent_ns) / 2000000;
    int64_t offset = database_ms + half_ms - clock_wall_ms(s->clock);
    if (s->clock != clock_real())
        return; /* that of a test, whose times are all by it */
    if (llabs(offset) <= 2000) {
        s->offset_told_ms = 0;
    } else if (llabs(offset - s->offset_told_ms) > 1000) {
        s->offset_told_ms = offset;
        log_event(LOG_WARN, "this node's clock differs from the database's",
                  LOG_I("milliseconds", offset));
    }
    /* Small differences are the network's, not the clock's. */
    atomic_store(&s->offset_ms, llabs(offset) > 20 ? offset : 0);
}

static enum err join(struct pg_store *s, struct reason *why)
{
    struct pg_args a;
    struct PGresult *r = NULL;
    int64_t sent_ns = pg_now_ns();
    pg_args_init(&a);
    pg_add_text(&a, str_from_cstr(s->node.name));
    pg_add_text(&a, str_from_cstr(s->version));
    pg_add_i32(&a, PG_LEASE_MS);
    enum err e = pg_query(&s->node.link,
                          "SELECT *, (extract(epoch FROM clock_timestamp()) * 1000)::bigint"
                          " FROM gaff.node_join($1,$2,$3)",
                          &a, NODE_MS, &r, why);
    pg_args_release(&a);
    if (e == ERR_OK) {
        note_clock(s, pg_i64(r, 0, 2), sent_ns);
        atomic_store(&s->epoch, pg_i64(r, 0, 0));
        atomic_store(&s->slot, pg_i32(r, 0, 1));
        s->base.node = (unsigned)pg_i32(r, 0, 1);
        atomic_store(&s->base.lease_ns,
                     sent_ns + (PG_LEASE_MS - LEASE_MARGIN_MS) * INT64_C(1000000));
        log_event(LOG_INFO, "joined the nodes of the database",
                  LOG_F("node", str_from_cstr(s->node.name)),
                  LOG_I("epoch", atomic_load(&s->epoch)));
        tell(s, STORE_LOST, STR(""));
    }
    pg_clear(r);
    return e;
}

static void fenced(struct pg_store *s)
{
    struct pg_node *n = &s->node;
    struct map_entry entry;
    log_line(LOG_WARN, "this node lost its lease; what it had claimed is due again, by any node");
    atomic_store(&s->base.lease_ns, 0);
    atomic_fetch_add(&s->base.lost, 1);
    atomic_store(&s->epoch, 0);
    pthread_mutex_lock(&n->lock);
    for (size_t i = 0; map_next(&n->lanes, &i, &entry);)
        ((struct pg_lane *)entry.value)->owner = 0;
    n->doubt_count = 0;
    pthread_mutex_unlock(&n->lock);
}

/* --- the beat --------------------------------------------------------------------------------- */

struct census {
    struct {
        uint64_t hash;
        int64_t epoch;
    } nodes[NODES_MAX];
    size_t count;
};

/* The living node that should own the lane. */
static int64_t best_owner(const struct census *c, str destination)
{
    uint64_t most = 0;
    int64_t best = 0;
    for (size_t i = 0; i < c->count; i++) {
        uint64_t weight = str_hash(destination, c->nodes[i].hash);
        if (best == 0 || weight > most) {
            most = weight;
            best = c->nodes[i].epoch;
        }
    }
    return best;
}

/* Follows the rows about lanes; returns those to ask for in `want`, those that are free in due. */
static void follow_lane(struct pg_store *s, const struct census *c, str name, int64_t owner,
                        struct map *want, struct map *due)
{
    struct pg_node *n = &s->node;
    int64_t epoch = atomic_load(&s->epoch);
    pthread_mutex_lock(&n->lock);
    struct pg_lane *lane = pg_node_lane(n, name);
    bool new_here = owner == epoch && lane->owner != epoch;
    lane->owner = owner;
    pthread_mutex_unlock(&n->lock);
    if (owner == 0 || new_here)
        map_put(due, name, due);
    else if (owner != epoch && best_owner(c, name) == epoch)
        map_put(want, name, want);
}

static void follow_rows(struct pg_store *s, const struct PGresult *r, int64_t sent_ns,
                        struct map *want, struct map *due)
{
    struct census c = {0};
    for (int i = 0; i < pg_rows(r); i++) {
        str kind = pg_bytes(r, i, 0), name = pg_bytes(r, i, 1);
        int64_t number = pg_i64(r, i, 2);
        if (str_eq(kind, STR("now"))) {
            note_clock(s, number, sent_ns);
        } else if (str_eq(kind, STR("node")) && c.count < NODES_MAX) {
            c.nodes[c.count].hash = str_hash(name, 1);
            c.nodes[c.count++].epoch = number;
        } else if (str_eq(kind, STR("lane"))) {
            follow_lane(s, &c, name, number, want, due);
        } else if (str_eq(kind, STR("objects"))) {
            if (number != s->node.objects_seen)
                tell(s, STORE_OBJECTS, STR(""));
            s->node.objects_seen = number;
        } else if (str_eq(kind, STR("due"))) {
            map_put(due, name, due);
        } else if (str_eq(kind, STR("wanted"))) {
            tell(s, STORE_WANTED, name);
        }
    }
}

static void add_names(struct pg_args *a, const struct map *names)
{
    struct map_entry e;
    pg_array(a, PG_TEXT_ARRAY, names->count);
    for (size_t i = 0; map_next(names, &i, &e);)
        pg_put_str(a, e.key);
    pg_array_end(a);
}

static enum err ask_for(struct pg_store *s, const struct map *want, struct reason *why)
{
    struct pg_args a;
    if (want->count == 0)
        return ERR_OK;
    pg_args_init(&a);
    pg_add_i64(&a, atomic_load(&s->epoch));
    add_names(&a, want);
    enum err e = pg_query(&s->node.link, "SELECT gaff.lane_want($1,$2)", &a, NODE_MS, NULL, why);
    pg_args_release(&a);
    return e;
}

static enum err beat(struct pg_store *s, struct reason *why)
{
    struct pg_node *n = &s->node;
    struct pg_args a;
    struct PGresult *r = NULL;
    int64_t sent_ns = pg_now_ns();
    pg_args_init(&a);
    pg_add_i64(&a, atomic_load(&s->epoch));
    pg_add_i32(&a, PG_LEASE_MS);
    pg_add_i64(&a, -atomic_load(&s->offset_ms));
    pthread_mutex_lock(&n->lock);
    add_names(&a, &n->lanes);
    pthread_mutex_unlock(&n->lock);
    enum err e =
        pg_query(&n->link, "SELECT * FROM gaff.node_beat($1,$2,$3,$4)", &a, NODE_MS, &r, why);
    pg_args_release(&a);
    if (e != ERR_OK)
        return e;
    if (pg_rows(r) == 0) {
        pg_clear(r);
        fenced(s);
        return join(s, why);
    }
    struct map want = {0}, due = {0};
    struct map_entry entry;
    atomic_store(&s->base.lease_ns, sent_ns + (PG_LEASE_MS - LEASE_MARGIN_MS) * INT64_C(1000000));
    follow_rows(s, r, sent_ns, &want, &due);
    pg_clear(r);
    e = ask_for(s, &want, why);
    for (size_t i = 0; map_next(&due, &i, &entry);)
        tell(s, STORE_DUE, entry.key);
    map_release(&want);
    map_release(&due);
    return e;
}

/* --- between beats ---------------------------------------------------------------------------- */

static bool is_free(struct pg_node *n, str destination)
{
    pthread_mutex_lock(&n->lock);
    struct pg_lane *lane = map_get(&n->lanes, destination);
    bool free_now = !lane || lane->owner == 0;
    pthread_mutex_unlock(&n->lock);
    return free_now;
}

static enum err send_hints(struct pg_store *s, struct reason *why)
{
    struct pg_node *n = &s->node;
    pthread_mutex_lock(&n->lock);
    struct map hints = n->hints;
    n->hints = (struct map){0};
    pthread_mutex_unlock(&n->lock);
    struct map_entry entry;
    /* A lane that is nobody's may be taken by this node. */
    for (size_t i = 0; map_next(&hints, &i, &entry);)
        if (is_free(n, entry.key))
            tell(s, STORE_DUE, entry.key);
    enum err e = ERR_OK;
    if (hints.count) {
        struct pg_args a;
        pg_args_init(&a);
        add_names(&a, &hints);
        e = pg_query(&n->link, "SELECT pg_notify('" HINT_CHANNEL "', d) FROM unnest($1) AS d", &a,
                     NODE_MS, NULL, why);
        pg_args_release(&a);
    }
    map_release(&hints);
    return e;
}

/* Claims whose answers were lost are given back; some times over, for the server may still be at
 * work on a call whose connection broke. */
static enum err settle_doubts(struct pg_store *s, struct reason *why)
{
    static const int pause_s[DOUBT_TRIES] = {1, 4, 15, 60, 0};
    struct pg_node *n = &s->node;
    struct pg_args a;
    size_t count = 0;
    int64_t stamps[PG_DOUBTS_MAX], now = pg_now_ns();
    pthread_mutex_lock(&n->lock);
    for (size_t i = 0; i < n->doubt_count;) {
        struct pg_doubt *d = &n->doubts[i];
        if (d->next_ns > now) {
            i++;
            continue;
        }
        stamps[count++] = d->stamp;
        d->next_ns = now + pause_s[d->tries] * INT64_C(1000000000);
        if (++d->tries == DOUBT_TRIES)
            *d = n->doubts[--n->doubt_count];
        else
            i++;
    }
    pthread_mutex_unlock(&n->lock);
    if (count == 0)
        return ERR_OK;
    pg_args_init(&a);
    pg_add_i64(&a, atomic_load(&s->epoch));
    pg_add_i32(&a, pg_counter_slot(s, &n->link));
    pg_array(&a, PG_INT8_ARRAY, count);
    for (size_t i = 0; i < count; i++)
        pg_put_i64(&a, stamps[i]);
    pg_array_end(&a);
    enum err e =
        pg_query(&n->link, "SELECT gaff.unclaim($1,$2,NULL,$3)", &a, PG_QUERY_MS, NULL, why);
    pg_args_release(&a);
    return e;
}

static void take_notices(struct pg_store *s)
{
    char channel[64], payload[128];
    bool own;
    if (!pg_link_is_alive(&s->node.link))
        return;
    while (pg_link_notice(&s->node.link, channel, payload, &own))
        if (str_eq(str_from_cstr(channel), STR(OBJECT_CHANNEL)))
            tell(s, STORE_OBJECTS, STR(""));
        else if (str_eq(str_from_cstr(channel), STR(EXPUNGED_CHANNEL)))
            recent_drop(s->recent, strtoull(payload, NULL, 10));
        else if (!own)
            tell(s, STORE_DUE, str_from_cstr(payload));
}

/* --- the thread ------------------------------------------------------------------------------- */

static enum err connect_node(struct pg_store *s, struct reason *why)
{
    struct pg_node *n = &s->node;
    struct reason quiet;
    enum err e = pg_link_open(&n->link, s->listen_conninfo ? s->listen_conninfo : s->conninfo,
                              PG_CONNECT_MS, why);
    if (e == ERR_OK)
        e = pg_read_health(s, &n->link, why);
    if (e == ERR_OK) {
        pg_replica_follow(s);
        /* Behind a pooler that changes sessions this does not last: beats look as well. */
        n->listens = pg_script(&n->link,
                               "LISTEN " HINT_CHANNEL "; LISTEN " OBJECT_CHANNEL
                               "; LISTEN " EXPUNGED_CHANNEL,
                               NODE_MS, &quiet) == ERR_OK;
        atomic_store(&s->down_ns, 0);
        atomic_store(&s->base.unreachable, false);
    } else {
        pg_link_close(&n->link);
    }
    return e;
}

static enum err prepare_tomorrow(struct pg_store *s, struct reason *why)
{
    struct pg_node *n = &s->node;
    if (pg_now_ns() < n->days_ns)
        return ERR_OK;
    int today = (int)((clock_wall_ms(s->clock) - INT64_C(1577836800000)) / 86400000);
    enum err e = pg_prepare_days(s, &n->link, today, today, why);
    n->days_ns = pg_now_ns() + INT64_C(600) * 1000000000;
    return e;
}

/* Lanes that no node knows of, and those that nobody needs. */
static enum err tidy_lanes(struct pg_store *s, struct reason *why)
{
    struct pg_node *n = &s->node;
    if (pg_now_ns() < n->tidy_ns)
        return ERR_OK;
    n->tidy_ns = pg_now_ns() + TIDY_S * INT64_C(1000000000);
    return pg_query(&n->link, "SELECT gaff.lanes_tidy()", NULL, PG_QUERY_MS, NULL, why);
}

static enum err work(struct pg_store *s, struct reason *why)
{
    struct pg_node *n = &s->node;
    enum err e = ERR_OK;
    if (!pg_link_is_alive(&n->link)) {
        pg_link_close(&n->link);
        e = connect_node(s, why);
        n->next_beat_ns = 0;
    }
    if (e == ERR_OK && pg_now_ns() >= n->next_beat_ns) {
        n->next_beat_ns = pg_now_ns() + PG_BEAT_MS * INT64_C(1000000);
        e = atomic_load(&s->epoch) ? beat(s, why) : join(s, why);
        if (e == ERR_OK)
            e = pg_read_health(s, &n->link, why);
        if (e == ERR_OK)
            pg_replica_follow(s);
        if (e == ERR_OK)
            e = settle_doubts(s, why);
        if (e == ERR_OK)
            e = prepare_tomorrow(s, why);
        if (e == ERR_OK)
            e = tidy_lanes(s, why);
    }
    if (e == ERR_OK)
        e = send_hints(s, why);
    if (e == ERR_OK)
        take_notices(s);
    return e;
}

static void sleep_until_called(struct pg_node *n, bool failed)
{
    int64_t wait_ms = (n->next_beat_ns - pg_now_ns()) / 1000000;
    struct pollfd p[2] = {{.fd = n->wake[0], .events = POLLIN},
                          {.fd = pg_link_fd(&n->link), .events = POLLIN}};
    char drain[64];
    if (failed)
        wait_ms = 200;
    poll(p, 2, wait_ms < 0 ? 0 : wait_ms > PG_BEAT_MS ? PG_BEAT_MS : (int)wait_ms);
    while (read(n->wake[0], drain, sizeof(drain)) > 0)
        continue;
}

static void *thread_main(void *arg)
{
    struct pg_store *s = arg;
    struct pg_node *n = &s->node;
    for (;;) {
        struct reason why = {0};
        uint64_t held;
        pthread_mutex_lock(&n->lock);
        bool stop = n->stop;
        pthread_mutex_unlock(&n->lock);
        if (stop)
            return NULL;
        enum err e = work(s, &why);
        if (e != ERR_OK) {
            if (e == ERR_CLOSED)
                pg_link_close(&n->link);
            n->next_beat_ns = 0;
            if (log_rate("node", &held))
                log_event(LOG_WARN, "the node's link to the database failed",
                          LOG_F("reason", str_from_cstr(why.text)));
        }
        sleep_until_called(n, e != ERR_OK);
    }
}

enum err pg_node_start(struct pg_store *s, struct reason *why)
{
    struct pg_node *n = &s->node;
    n->link.slot = PG_WRITERS + PG_OTHERS;
    if (pipe2(n->wake, O_CLOEXEC | O_NONBLOCK) != 0)
        return fail_errno(why, ERR_IO, "pipe");
    enum err e = connect_node(s, why);
    if (e == ERR_OK)
        e = join(s, why);
    if (e == ERR_OK)
        e = prepare_tomorrow(s, why);
    if (e != ERR_OK)
        return e;
    n->next_beat_ns = 0;
    if (pthread_create(&n->thread, NULL, thread_main, s) != 0)
        die("cannot start the thread of the node");
    n->runs = true;
    return ERR_OK;
}

static void leave(struct pg_store *s)
{
    struct pg_args a;
    struct reason why;
    if (!atomic_load(&s->epoch) || !pg_link_is_alive(&s->node.link))
        return;
    pg_args_init(&a);
    pg_add_i64(&a, atomic_load(&s->epoch));
    if (pg_query(&s->node.link, "SELECT gaff.node_leave($1)", &a, NODE_MS, NULL, &why) != ERR_OK)
        log_event(LOG_WARN, "could not leave the nodes of the database; its lease will end",
                  LOG_F("reason", str_from_cstr(why.text)));
    pg_args_release(&a);
}

void pg_node_stop(struct pg_store *s)
{
    struct pg_node *n = &s->node;
    if (n->runs) {
        pthread_mutex_lock(&n->lock);
        n->stop = true;
        pthread_mutex_unlock(&n->lock);
        wake(n);
        pthread_join(n->thread, NULL);
        leave(s);
    }
    pg_link_close(&n->link);
    if (n->wake[1] > 0) {
        close(n->wake[0]);
        close(n->wake[1]);
    }
    struct map_entry e;
    for (size_t i = 0; map_next(&n->lanes, &i, &e);)
        free(e.value);
    map_release(&n->lanes);
    map_release(&n->hints);
    pthread_mutex_destroy(&n->lock);
}
