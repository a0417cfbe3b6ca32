/* store_sqlite_settle.c -- outcomes into the tables: all of a chunk by one statement for the
 * deliveries and one for their attempts, which read them as a table. */
#include "store/store_sqlite_settle.h"

#include "base/log.h"
#include "store/store_sqlite_rows.h"

static const char settled_columns[] =
    "CREATE TABLE x (id, number, result, started_ms, duration_us, status, attempt_id, event_id,"
    " destination, error_class, summary, request, timing, response, state, attempts, next_ms,"
    " settled_ms, reason)";

static void give_settled(sqlite3_context *to, const void *rows, size_t row, int column)
{
    const struct settled *x = (const struct settled *)rows + row;
    const struct attempt *a = x->attempt;
    const struct settlement *t = x->settlement;
    const int64_t numbers[] = {(int64_t)a->delivery_id, a->number, a->result, a->started_ms,
                               a->duration_us, a->status, (int64_t)a->id,
                               /* Only attempts with an id are found by these two. */
                               a->id ? (int64_t)x->event_id : 0, a->id ? x->destination : 0};
    const str *texts[] = {&a->error_class, &a->summary, &a->request, &a->timing};
    enum {
        TEXTS = ARRAY_LEN(numbers),
        RESPONSE = TEXTS + ARRAY_LEN(texts),
        STATE,
        ATTEMPTS,
        NEXT_MS,
        SETTLED_MS,
    };
    if (column < TEXTS)
        sqlite3_result_int64(to, numbers[column]);
    else if (column < RESPONSE)
        give_str(to, *texts[column - TEXTS]);
    else if (column == RESPONSE)
        give_blob(to, a->response);
    else if (column == STATE)
        sqlite3_result_int64(to, t->state);
    else if (column == ATTEMPTS)
        sqlite3_result_int64(to, t->attempts);
    else if (column == NEXT_MS)
        sqlite3_result_int64(to, t->next_ms);
    else if (column == SETTLED_MS)
        sqlite3_result_int64(to, t->settled_ms);
    else
        give_str(to, t->reason);
}

bool settle_open(struct sqlite_store *s)
{
    s->writer.settled = (struct given){.columns = settled_columns, .column = give_settled};
    return given_show(s->writer.c.db, "settled", &s->writer.settled);
}

bool settle_attempts(struct sqlite_store *s, const struct settled *v, size_t count)
{
    sqlite3_stmt *q = db_statement(
        &s->writer.c, "INSERT OR REPLACE INTO attempts SELECT id, number, result, started_ms,"
                      " duration_us, status, error_class, summary, request, response, timing,"
                      " attempt_id, event_id, destination FROM settled WHERE number<>0");
    return given_run(q, &s->writer.settled, v, count) == SQLITE_DONE;
}

/* No delivery stands in it twice. */
static bool write_settled(struct sqlite_store *s, const struct settled *v, size_t count)
{
    sqlite3_stmt *q =
        db_statement(&s->writer.c, "UPDATE deliveries SET state=x.state, attempts=x.attempts,"
                                   " next_ms=x.next_ms, settled_ms=x.settled_ms, reason=x.reason"
                                   " FROM settled AS x WHERE deliveries.id=x.id");
    return given_run(q, &s->writer.settled, v, count) == SQLITE_DONE &&
           settle_attempts(s, v, count);
}

/* It is not lent any more, unless this transaction fails. */
static bool take_back(struct sqlite_store *s, uint64_t id, struct lent_row *out)
{
    struct writer *w = &s->writer;
    if (!lent_take_back(s->lent, id, out))
        return false;
    if (w->returned_count == w->returned_cap) {
        w->returned_cap = w->returned_cap ? w->returned_cap * 2 : 64;
        w->returned = xrealloc(w->returned, w->returned_cap * sizeof(*w->returned));
    }
    w->returned[w->returned_count++] = *out;
    return true;
}

/* Only what is claimed can be settled: a lease that was lost changes nothing. Of what a former run
 * lent nothing is known but its journal: who settled there had it. */
static bool may_settle(struct sqlite_store *s, uint64_t id, bool is_former, struct placed *d,
                       bool *may)
{
    struct lent_row row;
    *may = true;
    if (take_back(s, id, &row)) {
        *d = (struct placed){row.destination, row.event_id, DELIVERY_PENDING};
        return true;
    }
    if (!rows_placed(&s->writer.c, id, d))
        return false;
    *may = d->state == DELIVERY_CLAIMED || (is_former && d->state == DELIVERY_PENDING);
    return true;
}

bool settle_deliveries(struct sqlite_store *s, const struct settlement *v, size_t count,
                       bool is_former)
{
    struct settled *rows = xcalloc(count, sizeof(*rows));
    struct idmap known = {0};
    size_t n = 0;
    bool good = true;
    for (size_t i = 0; i < count && good; i++) {
        struct placed d;
        bool may = false;
        /* The journal of a former run may tell of several attempts of one. */
        if (idmap_get(&known, v[i].delivery_id)) {
            good = write_settled(s, rows, n);
            idmap_release(&known);
            n = 0;
        }
        good = good && may_settle(s, v[i].delivery_id, is_former, &d, &may);
        if (!good || !may)
            continue;
        idmap_put(&known, v[i].delivery_id, rows);
        count_move(&s->writer, d.destination, (enum delivery_state)d.state, v[i].state);
        rows[n++] = (struct settled){&v[i], &v[i].attempt, d.event_id, d.destination};
    }
    good = good && (n == 0 || write_settled(s, rows, n));
    idmap_release(&known);
    free(rows);
    return good;
}
