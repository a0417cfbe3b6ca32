/* store_sqlite_settle.c -- outcomes into the tables: all of a chunk by one statement for the
 * deliveries and one for their attempts, which read them as a table. */
#include "store/store_sqlite_settle.h"

#include "base/log.h"
#include "store/store_sqlite_rows.h"

enum { /* the columns of `settled` */
       OF_ID,
       OF_STATE,
       OF_ATTEMPTS,
       OF_NEXT_MS,
       OF_SETTLED_MS,
       OF_REASON,
       OF_NUMBER,
       OF_RESULT,
       OF_STARTED_MS,
       OF_DURATION_US,
       OF_STATUS,
       OF_ERROR_CLASS,
       OF_SUMMARY,
       OF_REQUEST,
       OF_RESPONSE,
       OF_TIMING,
       OF_ATTEMPT_ID,
       OF_EVENT_ID,
       OF_DESTINATION,
};
static const char settled_columns[] =
    "CREATE TABLE x (id, state, attempts, next_ms, settled_ms, reason, number, result, started_ms,"
    " duration_us, status, error_class, summary, request, response, timing, attempt_id, event_id,"
    " destination)";

static void give_str(sqlite3_context *to, str s)
{
    sqlite3_result_text64(to, s.p ? s.p : "", s.n, SQLITE_STATIC, SQLITE_UTF8);
}

static void give_of_attempt(sqlite3_context *to, const struct settled *x, int column)
{
    const struct attempt *a = x->attempt;
    switch (column) {
    case OF_NUMBER:
        sqlite3_result_int64(to, a->number);
        break;
    case OF_RESULT:
        sqlite3_result_int64(to, a->result);
        break;
    case OF_STARTED_MS:
        sqlite3_result_int64(to, a->started_ms);
        break;
    case OF_DURATION_US:
        sqlite3_result_int64(to, a->duration_us);
        break;
    case OF_STATUS:
        sqlite3_result_int64(to, a->status);
        break;
    case OF_ERROR_CLASS:
        give_str(to, a->error_class);
        break;
    case OF_SUMMARY:
        give_str(to, a->summary);
        break;
    case OF_REQUEST:
        give_str(to, a->request);
        break;
    case OF_RESPONSE:
        sqlite3_result_blob64(to, a->response.p ? a->response.p : "", a->response.n, SQLITE_STATIC);
        break;
    case OF_TIMING:
        give_str(to, a->timing);
        break;
    case OF_ATTEMPT_ID:
        sqlite3_result_int64(to, (sqlite3_int64)a->id);
        break;
    case OF_EVENT_ID: /* only attempts with an id are found by these two */
        sqlite3_result_int64(to, a->id ? (sqlite3_int64)x->event_id : 0);
        break;
    case OF_DESTINATION:
        sqlite3_result_int64(to, a->id ? x->destination : 0);
        break;
    default:
        break;
    }
}

static void give_settled(sqlite3_context *to, const void *rows, size_t row, int column)
{
    const struct settled *x = (const struct settled *)rows + row;
    switch (column) {
    case OF_ID:
        sqlite3_result_int64(to, (sqlite3_int64)x->attempt->delivery_id);
        break;
    case OF_STATE:
        sqlite3_result_int64(to, x->settlement->state);
        break;
    case OF_ATTEMPTS:
        sqlite3_result_int64(to, x->settlement->attempts);
        break;
    case OF_NEXT_MS:
        sqlite3_result_int64(to, x->settlement->next_ms);
        break;
    case OF_SETTLED_MS:
        sqlite3_result_int64(to, x->settlement->settled_ms);
        break;
    case OF_REASON:
        give_str(to, x->settlement->reason);
        break;
    default:
        give_of_attempt(to, x, column);
        break;
    }
}

bool settle_open(struct sqlite_store *s)
{
    s->writer.settled = (struct given){.columns = settled_columns, .column = give_settled};
    return given_show(s->writer.c.db, "settled", &s->writer.settled);
}

static bool run_over(struct writer *w, const char *sql, const struct settled *v, size_t count)
{
    w->settled.rows = v;
    w->settled.count = count;
    bool good = db_run(db_statement(&w->c, sql));
    w->settled.count = 0;
    return good;
}

bool settle_attempts(struct sqlite_store *s, const struct settled *v, size_t count)
{
    return run_over(&s->writer,
                    "INSERT OR REPLACE INTO attempts SELECT id, number, result, started_ms,"
                    " duration_us, status, error_class, summary, request, response, timing,"
                    " attempt_id, event_id, destination FROM settled WHERE number<>0",
                    v, count);
}

/* No delivery stands in it twice. */
static bool write_settled(struct sqlite_store *s, const struct settled *v, size_t count)
{
    return count == 0 ||
           (run_over(&s->writer,
                     "UPDATE deliveries SET state=x.state, attempts=x.attempts, next_ms=x.next_ms,"
                     " settled_ms=x.settled_ms, reason=x.reason FROM settled AS x"
                     " WHERE deliveries.id=x.id",
                     v, count) &&
            settle_attempts(s, v, count));
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
    struct settled *rows = calloc(count, sizeof(*rows));
    struct idmap known = {0};
    size_t n = 0;
    bool good = rows != NULL;
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
    good = good && write_settled(s, rows, n);
    idmap_release(&known);
    free(rows);
    return good;
}
