/* store_postgres_link.c -- one connection, driven without blocking beyond a deadline.
 *
 * A statement has been committed only when the server is ready for the next one: libpq gives NULL
 * after the last result then, and an error in between otherwise. When the connection breaks before
 * that, nobody knows; the caller hears ERR_CLOSED. */
#include "store/store_postgres.h"

#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

/* libpq's sentences, in one line, without the trailing newline. They never hold a password. */
static enum err link_fail(struct pg_link *l, enum err code, const char *doing, struct reason *why)
{
    const char *text = l->c ? pq->errorMessage(l->c) : "not connected";
    size_t n = strcspn(text, "\n");
    if (n == 0)
        return fail(why, code, "PostgreSQL: %s: the connection is gone", doing);
    return fail(why, code, "PostgreSQL: %s: %.*s", doing, (int)(n < 300 ? n : 300), text);
}

static void noticed(void *arg, const struct PGresult *r)
{
    struct pg_link *l = arg;
    const char *severity = pq->resultErrorField(r, PQ_SEVERITY);
    if (severity && strcmp(severity, "WARNING") == 0)
        l->warned = true;
}

/* Waits for the socket; false when the deadline has passed. */
static bool wait_for(struct pg_link *l, short events, int64_t deadline_ns)
{
    for (;;) {
        int64_t left = (deadline_ns - pg_now_ns()) / 1000000;
        if (left <= 0)
            return false;
        struct pollfd p = {.fd = pq->socket(l->c), .events = events};
        int n = poll(&p, 1, (int)left + 1);
        if (n > 0)
            return true;
        if (n < 0 && errno != EINTR)
            return true; /* libpq will find out what is wrong with it */
    }
}

enum err pg_link_open(struct pg_link *l, const char *conninfo, int64_t within_ms,
                      struct reason *why)
{
    static const char *const keys[] = {"dbname", "fallback_application_name", "client_encoding",
                                       NULL};
    const char *const values[] = {conninfo, "gaff", "UTF8", NULL};
    int64_t deadline_ns = pg_now_ns() + within_ms * 1000000;
    assert(!l->c);
    l->c = pq->connectStartParams(keys, values, 1);
    if (!l->c)
        die_of_memory(0);
    int state = PQ_POLLING_WRITING;
    if (pq->status(l->c) == PQ_CONNECTION_BAD)
        state = PQ_POLLING_FAILED;
    while (state == PQ_POLLING_READING || state == PQ_POLLING_WRITING) {
        if (!wait_for(l, state == PQ_POLLING_READING ? POLLIN : POLLOUT, deadline_ns)) {
            pg_link_close(l);
            return fail(why, ERR_CLOSED, "PostgreSQL: no connection within %lld ms",
                        (long long)within_ms);
        }
        state = pq->connectPoll(l->c);
    }
    if (state != PQ_POLLING_OK) {
        enum err e = link_fail(l, ERR_CLOSED, "connect", why);
        pg_link_close(l);
        return e;
    }
    pq->setnonblocking(l->c, 1);
    pq->setNoticeReceiver(l->c, noticed, l);
    return ERR_OK;
}

void pg_link_close(struct pg_link *l)
{
    if (l->c)
        pq->finish(l->c);
    l->c = NULL;
}

bool pg_link_is_alive(struct pg_link *l)
{
    if (!l->c || pq->status(l->c) != PQ_CONNECTION_OK)
        return false;
    struct pollfd p = {.fd = pq->socket(l->c), .events = POLLIN};
    if (poll(&p, 1, 0) == 0)
        return true;
    /* Something came unasked: a notice, or the server's good-bye. */
    return pq->consumeInput(l->c) && pq->status(l->c) == PQ_CONNECTION_OK;
}

bool pg_link_is_quiet(struct pg_link *l)
{
    if (!l->c || pq->status(l->c) != PQ_CONNECTION_OK)
        return false;
    struct pollfd p = {.fd = pq->socket(l->c), .events = POLLIN};
    return poll(&p, 1, 0) == 0;
}

int pg_link_fd(const struct pg_link *l)
{
    return l->c ? pq->socket(l->c) : -1;
}

bool pg_link_notice(struct pg_link *l, char channel[64], char payload[128], bool *own)
{
    if (!l->c)
        return false;
    struct pq_notify *n = pq->notifies(l->c);
    if (!n)
        return false;
    snprintf(channel, 64, "%s", n->relname);
    snprintf(payload, 128, "%s", n->extra);
    *own = n->be_pid == pq->backendPID(l->c);
    pq->freemem(n);
    return true;
}

/* --- sending and receiving -------------------------------------------------------------------- */

static bool send_args(struct pg_link *l, const char *sql, const struct pg_args *a)
{
    const char *values[PG_ARGS_MAX];
    int formats[PG_ARGS_MAX];
    int count = a ? a->count : 0;
    for (int i = 0; i < count; i++) {
        values[i] = a->lengths[i] < 0 ? NULL : buf_str(&a->bytes).p + a->at[i];
        formats[i] = 1;
    }
    return pq->sendQueryParams(l->c, sql, count, a ? a->types : NULL, values, a ? a->lengths : NULL,
                               formats, 1) == 1;
}

/* Writes what is buffered, reading meanwhile so that neither side waits for the other. */
static bool flush(struct pg_link *l, int64_t deadline_ns)
{
    int left;
    while ((left = pq->flush(l->c)) == 1) {
        if (!wait_for(l, POLLIN | POLLOUT, deadline_ns) || !pq->consumeInput(l->c))
            return false;
    }
    return left == 0;
}

/* The next result, or NULL at the end of a statement; false when the deadline has passed or the
 * connection is gone. */
static bool next_result(struct pg_link *l, int64_t deadline_ns, struct PGresult **out)
{
    while (pq->isBusy(l->c)) {
        if (!wait_for(l, POLLIN, deadline_ns) || !pq->consumeInput(l->c))
            return false;
    }
    *out = pq->getResult(l->c);
    return true;
}

static enum err code_of(const char *state)
{
    static const struct {
        const char *prefix;
        enum err code;
    } codes[] = {{"53", ERR_FULL},      /* disk full, too many connections */
                 {"40", ERR_CONFLICT},  /* deadlock: nothing was done */
                 {"55", ERR_TIMEOUT},   /* a lock was not to be had */
                 {"57", ERR_CLOSED},    /* the server goes down */
                 {"42501", ERR_DENIED}, /* no right to */
                 {"08", ERR_CLOSED}};
    for (size_t i = 0; state && i < ARRAY_LEN(codes); i++)
        if (strncmp(state, codes[i].prefix, strlen(codes[i].prefix)) == 0)
            return codes[i].code;
    return ERR_IO;
}

static enum err result_fail(struct pg_link *l, const struct PGresult *r, struct reason *why)
{
    const char *state = pq->resultErrorField(r, PQ_SQLSTATE);
    const char *text = pq->resultErrorField(r, PQ_PRIMARY);
    if (!text)
        return link_fail(l, ERR_CLOSED, "the answer was lost", why);
    return fail(why, code_of(state), "PostgreSQL: %.300s (%s)", text, state ? state : "?");
}

static enum err lost(struct pg_link *l, struct reason *why)
{
    enum err e = link_fail(l, ERR_CLOSED, "no answer", why);
    pg_link_close(l);
    return e;
}

static enum err too_large(struct reason *why)
{
    return fail(why, ERR_LIMIT, "more bytes than PostgreSQL takes in one statement");
}

/* Takes all results of one statement; keeps the last good one. */
static enum err take_results(struct pg_link *l, int64_t deadline_ns, struct PGresult **out,
                             struct reason *why)
{
    enum err e = ERR_OK;
    for (;;) {
        struct PGresult *r;
        if (!next_result(l, deadline_ns, &r))
            return lost(l, why);
        if (!r)
            return pq->status(l->c) == PQ_CONNECTION_OK ? e : lost(l, why);
        int status = pq->resultStatus(r);
        bool good = status == PQ_COMMAND_OK || status == PQ_TUPLES_OK;
        if (!good && e == ERR_OK)
            e = result_fail(l, r, why);
        if (good && out && e == ERR_OK) {
            pg_clear(*out);
            *out = r;
        } else {
            pq->clear(r);
        }
    }
}

static enum err finish_query(struct pg_link *l, bool sent, int64_t within_ms, struct PGresult **out,
                             struct reason *why)
{
    int64_t deadline_ns = pg_now_ns() + within_ms * 1000000;
    if (!sent || !flush(l, deadline_ns))
        return lost(l, why);
    struct PGresult *kept = NULL;
    enum err e = take_results(l, deadline_ns, &kept, why);
    if (e == ERR_OK && out) {
        *out = kept;
        return ERR_OK;
    }
    pg_clear(kept);
    if (e == ERR_CLOSED)
        pg_link_close(l);
    return e;
}

enum err pg_query(struct pg_link *l, const char *sql, const struct pg_args *a, int64_t within_ms,
                  struct PGresult **out, struct reason *why)
{
    l->warned = false;
    if (a && !buf_ok(&a->bytes))
        return too_large(why);
    return finish_query(l, send_args(l, sql, a), within_ms, out, why);
}

enum err pg_script(struct pg_link *l, const char *sql, int64_t within_ms, struct reason *why)
{
    l->warned = false;
    return finish_query(l, pq->sendQuery(l->c, sql) == 1, within_ms, NULL, why);
}

enum err pg_pipeline_begin(struct pg_link *l, struct reason *why)
{
    l->warned = false;
    return pq->enterPipelineMode(l->c) ? ERR_OK : lost(l, why);
}

enum err pg_pipeline_send(struct pg_link *l, const char *sql, const struct pg_args *a,
                          struct reason *why)
{
    if (!buf_ok(&a->bytes)) {
        pg_link_close(l);
        return too_large(why);
    }
    return send_args(l, sql, a) ? ERR_OK : lost(l, why);
}

/* Results come statement by statement, NULL after each, then the sync, which the server sends when
 * it has committed. */
enum err pg_pipeline_finish(struct pg_link *l, int64_t within_ms, struct PGresult **out, size_t max,
                            struct reason *why)
{
    int64_t deadline_ns = pg_now_ns() + within_ms * 1000000;
    enum err e = ERR_OK;
    size_t count = 0;
    if (!pq->pipelineSync(l->c) || !flush(l, deadline_ns))
        return lost(l, why);
    for (bool at_end = false; !at_end;) {
        struct PGresult *r;
        if (!next_result(l, deadline_ns, &r) || pq->status(l->c) != PQ_CONNECTION_OK) {
            for (size_t i = 0; i < count; i++)
                pg_clear(out[i]);
            return lost(l, why);
        }
        if (!r)
            continue;
        int status = pq->resultStatus(r);
        at_end = status == PQ_PIPELINE_SYNC;
        if (status == PQ_FATAL_ERROR && e == ERR_OK)
            e = result_fail(l, r, why);
        if (status == PQ_TUPLES_OK && count < max)
            out[count++] = r;
        else
            pq->clear(r);
    }
    for (size_t i = 0; i < count && e != ERR_OK; i++) {
        pg_clear(out[i]);
        out[i] = NULL;
    }
    if (!pq->exitPipelineMode(l->c) || e == ERR_CLOSED)
        pg_link_close(l);
    return e;
}

/* --- results ---------------------------------------------------------------------------------- */

static uint64_t big_endian(const struct PGresult *r, int row, int column, int bytes)
{
    const unsigned char *p = (const unsigned char *)pq->getvalue(r, row, column);
    uint64_t v = 0;
    if (pq->getlength(r, row, column) != bytes)
        return 0;
    for (int i = 0; i < bytes; i++)
        v = v << 8 | p[i];
    return v;
}

int64_t pg_i64(const struct PGresult *r, int row, int column)
{
    return (int64_t)big_endian(r, row, column, 8);
}

int32_t pg_i32(const struct PGresult *r, int row, int column)
{
    if (pq->getlength(r, row, column) == 2)
        return (int16_t)big_endian(r, row, column, 2);
    return (int32_t)(uint32_t)big_endian(r, row, column, 4);
}

bool pg_bool(const struct PGresult *r, int row, int column)
{
    return big_endian(r, row, column, 1) != 0;
}

bool pg_is_null(const struct PGresult *r, int row, int column)
{
    return pq->getisnull(r, row, column) != 0;
}

str pg_bytes(const struct PGresult *r, int row, int column)
{
    return str_of(pq->getvalue(r, row, column), (size_t)pq->getlength(r, row, column));
}

int pg_rows(const struct PGresult *r)
{
    return pq->ntuples(r);
}

void pg_clear(struct PGresult *r)
{
    if (r)
        pq->clear(r);
}
