/* store_postgres_pool.c -- links are opened when they are first needed and again after they broke.
 *
 * While the database can't be reached a caller is told so at once; only now and then one of them
 * tries to connect. So a sender gets its 503 soon, and the first that succeeds ends the outage. */
#include "store/store_postgres.h"

#include "base/log.h"

#define RETRY_NS (200 * INT64_C(1000000))

static struct pg_link **free_list(struct pg_store *s, enum pg_use use)
{
    if (use == PG_USE_WRITE)
        return &s->free_writers;
    return use == PG_USE_READ ? &s->free_read : &s->free_others;
}

static void fill(struct pg_link **list, struct pg_link *links, size_t count, int slot)
{
    for (size_t i = 0; i < count; i++) {
        links[i].slot = slot + (int)i;
        links[i].next = *list;
        *list = &links[i];
    }
}

void pg_pool_init(struct pg_store *s)
{
    pthread_mutex_init(&s->pool_lock, NULL);
    pthread_cond_init(&s->pool_turn, NULL);
    fill(&s->free_writers, s->writers, PG_WRITERS, 0);
    fill(&s->free_others, s->others, PG_OTHERS, PG_WRITERS);
    fill(&s->free_read, s->read, PG_OTHERS, 0);
}

void pg_pool_release(struct pg_store *s)
{
    for (size_t i = 0; i < PG_WRITERS; i++)
        pg_link_close(&s->writers[i]);
    for (size_t i = 0; i < PG_OTHERS; i++) {
        pg_link_close(&s->others[i]);
        pg_link_close(&s->read[i]);
    }
    pthread_mutex_destroy(&s->pool_lock);
    pthread_cond_destroy(&s->pool_turn);
}

void pg_give(struct pg_store *s, enum pg_use use, struct pg_link *l)
{
    struct pg_link **list = free_list(s, use);
    pthread_mutex_lock(&s->pool_lock);
    l->next = *list;
    *list = l;
    pthread_cond_broadcast(&s->pool_turn);
    pthread_mutex_unlock(&s->pool_lock);
}

static enum err connect_again(struct pg_store *s, enum pg_use use, struct pg_link *l,
                              struct reason *why)
{
    int64_t down = atomic_load(&s->down_ns), now = pg_now_ns();
    bool replica = use == PG_USE_READ;
    pg_link_close(l);
    /* Of those who come during an outage one tries; the others are told at once. */
    if (down && !replica &&
        (now - down < RETRY_NS || !atomic_compare_exchange_strong(&s->down_ns, &down, now)))
        return fail(why, ERR_CLOSED, "the database cannot be reached");
    enum err e = pg_link_open(l, replica ? s->read_conninfo : s->conninfo, PG_CONNECT_MS, why);
    if (!replica) {
        atomic_store(&s->down_ns, e == ERR_OK ? 0 : pg_now_ns());
        atomic_store(&s->base.unreachable, e != ERR_OK);
    }
    return e;
}

struct pg_link *pg_take(struct pg_store *s, enum pg_use use, struct reason *why)
{
    struct pg_link **list = free_list(s, use);
    pthread_mutex_lock(&s->pool_lock);
    while (!*list)
        pthread_cond_wait(&s->pool_turn, &s->pool_lock);
    struct pg_link *l = *list;
    *list = l->next;
    pthread_mutex_unlock(&s->pool_lock);
    if (pg_link_is_quiet(l) || connect_again(s, use, l, why) == ERR_OK)
        return l;
    pg_give(s, use, l);
    return NULL;
}

/* What is asked this way may be asked twice: after a connection that broke, of another one. */
enum err pg_ask(struct pg_store *s, enum pg_use use, const char *sql, const struct pg_args *a,
                struct PGresult **out, struct reason *why)
{
    enum err e = ERR_CLOSED;
    for (int i = 0; i < 2 && e == ERR_CLOSED; i++) {
        struct pg_link *l = pg_take(s, use, why);
        if (!l)
            return ERR_IO;
        e = pg_query(l, sql, a, PG_QUERY_MS, out, why);
        pg_give(s, use, l);
    }
    return pg_err(e);
}
