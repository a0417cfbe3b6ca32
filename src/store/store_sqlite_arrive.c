/* store_sqlite_arrive.c -- all of a chunk by one statement for the events and one for their
 * deliveries, which read them as a table. */
#include "store/store_sqlite_arrive.h"

#include "base/log.h"

static const char event_columns[] =
    "CREATE TABLE x (id, received_ms, source, provider, verdict, flags, body_hash, body, type,"
    " dedupe_key, verdict_text, method, target, peer, trace, head)";

static void give_event(sqlite3_context *to, const void *rows, size_t row, int column)
{
    const struct new_event_row *x = (const struct new_event_row *)rows + row;
    const struct event *e = &x->event;
    const int64_t numbers[] = {(int64_t)e->id, e->received_ms, x->source,
                               x->provider,    x->verdict,     e->flags};
    const str *texts[] = {&e->type,   &e->dedupe_key, &e->verdict_text, &e->method,
                          &e->target, &e->peer,       &e->trace,        &e->head};
    enum { HASH = ARRAY_LEN(numbers), BODY, TEXTS };
    if (column < HASH)
        sqlite3_result_int64(to, numbers[column]);
    else if (column == HASH)
        give_blob(to, str_of((const char *)e->body_hash, sizeof(e->body_hash)));
    else if (column == BODY)
        give_blob(to, e->body);
    else
        give_str(to, *texts[column - TEXTS]);
}

static const char delivery_columns[] =
    "CREATE TABLE x (id, event_id, destination, route, order_key, state, attempts, created_ms,"
    " next_ms, settled_ms, listed, reason)";

static void give_delivery(sqlite3_context *to, const void *rows, size_t row, int column)
{
    const struct new_delivery_row *d = (const struct new_delivery_row *)rows + row;
    const int64_t numbers[] = {
        (int64_t)d->id, (int64_t)d->event_id, d->destination, d->route,   (int64_t)d->order_key,
        d->state,       d->attempts,          d->created_ms,  d->next_ms, d->settled_ms,
        d->listed};
    if ((size_t)column < ARRAY_LEN(numbers))
        sqlite3_result_int64(to, numbers[column]);
    else
        give_str(to, d->reason);
}

bool arrive_open(struct sqlite_store *s)
{
    struct writer *w = &s->writer;
    w->events = (struct given){.columns = event_columns, .column = give_event};
    w->deliveries = (struct given){.columns = delivery_columns, .column = give_delivery};
    return given_show(w->c.db, "new_events", &w->events) &&
           given_show(w->c.db, "new_deliveries", &w->deliveries);
}

static void note_repeats(size_t count)
{
    uint64_t held;
    if (count && log_rate("same id", &held))
        log_event(LOG_ERROR, "a row with the same id was there already; the second is left out",
                  LOG_I("rows", count), LOG_I("held", held));
}

bool arrive_events(struct sqlite_store *s, const struct new_event_row *v, size_t count)
{
    struct writer *w = &s->writer;
    sqlite3_stmt *q = db_statement(
        &w->c, "INSERT OR IGNORE INTO events SELECT id, received_ms, source, provider, verdict,"
               " flags, type, dedupe_key, verdict_text, method, target, peer, body_hash, trace,"
               " head, body FROM new_events");
    if (given_run(q, &w->events, v, count) != SQLITE_DONE)
        return false;
    size_t made = (size_t)sqlite3_changes(w->c.db);
    w->now.events += made;
    note_repeats(count - made);
    for (size_t i = 0; i < count; i++)
        writer_note_id(w, v[i].event.id);
    return true;
}

#define INTO_DELIVERIES                                                                            \
    " INTO deliveries SELECT id, event_id, destination, route, order_key, state, attempts,"        \
    " created_ms, next_ms, settled_ms, reason, listed FROM new_deliveries"

/* To know which of them are new, and to be counted. */
static bool one_by_one(struct writer *w, const struct new_delivery_row *v, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        sqlite3_stmt *q = db_statement(&w->c, "INSERT OR IGNORE" INTO_DELIVERIES);
        if (given_run(q, &w->deliveries, &v[i], 1) != SQLITE_DONE)
            return false;
        if (sqlite3_changes(w->c.db))
            count_change(w, v[i].destination, v[i].state, 1);
        else
            note_repeats(1);
    }
    return true;
}

bool arrive_deliveries(struct sqlite_store *s, const struct new_delivery_row *v, size_t count)
{
    struct writer *w = &s->writer;
    for (size_t i = 0; i < count; i++)
        writer_note_id(w, v[i].id);
    int rc = given_run(db_statement(&w->c, "INSERT" INTO_DELIVERIES), &w->deliveries, v, count);
    if (rc == SQLITE_CONSTRAINT) /* nothing of it was inserted */
        return one_by_one(w, v, count);
    for (size_t i = 0; i < count && rc == SQLITE_DONE; i++)
        count_change(w, v[i].destination, v[i].state, 1);
    return rc == SQLITE_DONE;
}
