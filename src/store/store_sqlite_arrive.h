/* store_sqlite_arrive.h -- new events and deliveries, on their way into the tables. Under the
 * writer lock inside a transaction; false: it must be rolled back. What they point to stays until
 * the call returns. An id that is there already is a bug of the caller's; to stop for ever at it
 * would be worse: the log tells, and the second is left out. */
#ifndef GAFF_STORE_STORE_SQLITE_ARRIVE_H
#define GAFF_STORE_STORE_SQLITE_ARRIVE_H

#include "store/store_sqlite.h"

struct new_event_row {
    struct event event;
    int64_t source, provider, verdict; /* numbers of their names */
};

struct new_delivery_row {
    uint64_t id, event_id, order_key;
    int64_t destination, route; /* numbers of their names */
    enum delivery_state state;
    uint32_t attempts;
    int64_t created_ms, next_ms, settled_ms;
    str reason;
    bool listed;
};

/* Once, when the writer is open. */
bool arrive_open(struct sqlite_store *s);
bool arrive_events(struct sqlite_store *s, const struct new_event_row *v, size_t count);
bool arrive_deliveries(struct sqlite_store *s, const struct new_delivery_row *v, size_t count);

#endif
