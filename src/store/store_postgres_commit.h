/* store_postgres_commit.h -- what the files of a commit share: the batch on its way into one
 * transaction. store_postgres_ingest.c makes the calls for events, store_postgres_commit.c the
 * others and the transaction. */
#ifndef GAFF_STORE_STORE_POSTGRES_COMMIT_H
#define GAFF_STORE_STORE_POSTGRES_COMMIT_H

#include "store/store_postgres.h"

#define PG_CHUNK_EVENTS 256u
#define PG_CHUNK_BYTES (32u << 20)

struct pg_keyed { /* an event that has a delivery id */
    uint64_t key[2], body;
    struct new_event *e;
    size_t place; /* in the chunk */
    bool leads;   /* the first of its key and body in the chunk */
};

struct pg_further { /* one further key of an event */
    uint64_t key[2];
    struct new_event *e;
    size_t place; /* among the keys of its event */
};

struct pg_chunk { /* events of one call of gaff.ingest */
    struct new_event *first;
    size_t count;
    struct pg_keyed keyed[PG_CHUNK_EVENTS];
    size_t keyed_count, leader_count;
    struct pg_further further[PG_CHUNK_EVENTS * EVENT_KEYS_MAX];
    size_t further_count;
    bool left_out[PG_CHUNK_EVENTS]; /* repeats of another of the chunk; sets that failed */
    struct new_event *leader[PG_CHUNK_EVENTS]; /* of a repeat */
};

struct pg_commit {
    struct pg_store *s;
    struct pg_link *link;
    struct batch *batch;
    struct pg_args args;
    int64_t stamp;
    bool claims;
    size_t bytes;
    struct pg_chunk *chunk; /* filled anew for each call */
};

/* Sends the events, as *calls calls whose rows pg_ingest_row takes. */
enum err pg_ingest_send(struct pg_commit *m, size_t *calls, struct reason *why);
/* After them: cancels what they supersede. */
enum err pg_supersede_send(struct pg_commit *m, struct reason *why);
void pg_ingest_rows(struct pg_commit *m, const struct PGresult *r);

#endif
