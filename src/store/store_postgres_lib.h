/* store_postgres_lib.h -- the one door to libpq. The library is loaded when a PostgreSQL store is
 * first opened, not linked: a program that keeps its events elsewhere needs none of it. Only the
 * calls in this list exist for us; their contracts are those of libpq's manual. */
#ifndef GAFF_STORE_STORE_POSTGRES_LIB_H
#define GAFF_STORE_STORE_POSTGRES_LIB_H

#include "base/err.h"

struct PGconn;
struct PGresult;

/* What of libpq's public numbers is used. */
enum { PQ_CONNECTION_OK = 0, PQ_CONNECTION_BAD = 1 };
enum { PQ_POLLING_FAILED = 0, PQ_POLLING_READING = 1, PQ_POLLING_WRITING = 2, PQ_POLLING_OK = 3 };
enum {
    PQ_COMMAND_OK = 1,
    PQ_TUPLES_OK = 2,
    PQ_FATAL_ERROR = 7,
    PQ_PIPELINE_SYNC = 10,
    PQ_PIPELINE_ABORTED = 11
};
enum { PQ_SEVERITY = 'V', PQ_SQLSTATE = 'C', PQ_PRIMARY = 'M', PQ_DETAIL = 'D' };

struct pq_notify {
    char *relname;
    int be_pid;
    char *extra;
};
typedef void pq_notice(void *arg, const struct PGresult *r);

struct pq {
    struct PGconn *(*connectStartParams)(const char *const *keys, const char *const *values,
                                         int expand);
    int (*connectPoll)(struct PGconn *c);
    int (*status)(const struct PGconn *c);
    int (*socket)(const struct PGconn *c);
    int (*backendPID)(const struct PGconn *c);
    int (*serverVersion)(const struct PGconn *c);
    char *(*errorMessage)(const struct PGconn *c);
    void (*finish)(struct PGconn *c);
    int (*setnonblocking)(struct PGconn *c, int on);
    int (*sendQuery)(struct PGconn *c, const char *sql);
    int (*sendQueryParams)(struct PGconn *c, const char *sql, int count, const unsigned *types,
                           const char *const *values, const int *lengths, const int *formats,
                           int result_format);
    int (*enterPipelineMode)(struct PGconn *c);
    int (*exitPipelineMode)(struct PGconn *c);
    int (*pipelineSync)(struct PGconn *c);
    int (*flush)(struct PGconn *c);
    int (*consumeInput)(struct PGconn *c);
    int (*isBusy)(struct PGconn *c);
    struct PGresult *(*getResult)(struct PGconn *c);
    int (*resultStatus)(const struct PGresult *r);
    char *(*resultErrorField)(const struct PGresult *r, int field);
    int (*ntuples)(const struct PGresult *r);
    char *(*getvalue)(const struct PGresult *r, int row, int column);
    int (*getlength)(const struct PGresult *r, int row, int column);
    int (*getisnull)(const struct PGresult *r, int row, int column);
    void (*clear)(struct PGresult *r);
    struct pq_notify *(*notifies)(struct PGconn *c);
    void (*freemem)(void *p);
    pq_notice *(*setNoticeReceiver)(struct PGconn *c, pq_notice *fn, void *arg);
};

/* Loaded at the first call; NULL with a sentence that names the package when it is not there. */
const struct pq *pq_load(struct reason *why);
/* After pq_load succeeded. */
extern const struct pq *pq;

#endif
