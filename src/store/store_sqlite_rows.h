/* store_sqlite_rows.h -- rows into structs, and the one way to walk over deliveries by a filter. */
#ifndef GAFF_STORE_STORE_SQLITE_ROWS_H
#define GAFF_STORE_STORE_SQLITE_ROWS_H

#include "store/store_sqlite.h"

/* The text of a number in `names`, copied into the arena. */
str rows_name(struct connection *c, int64_t id, struct arena *a);
/* The number of a name; 0 when there is none, -1 on an error. */
int64_t rows_name_id(struct connection *c, str name);

/* Narrows [*least, *most) to the ids that rows of [since_ms, until_ms) can have; 0: open. */
void rows_id_range(int64_t since_ms, int64_t until_ms, uint64_t *least, uint64_t *most);

/* A delivery's state: the row of one that was claimed from the tables says pending (lent.h). */
#define STATE_NOW "(state + (state=0 AND lent(id)))"
#define DELIVERY_COLUMNS                                                                           \
    "id, event_id, destination, route, order_key, " STATE_NOW ", attempts, created_ms, next_ms,"   \
    " settled_ms, reason, listed"
/* The row a statement that selects DELIVERY_COLUMNS stands on. */
struct delivery rows_delivery(struct connection *c, sqlite3_stmt *q, struct arena *a);

/* Where a delivery's row stands; state -1: there is none of that id. False on an error. */
struct placed {
    int64_t destination;
    uint64_t event_id;
    int state;
};
bool rows_placed(struct connection *c, uint64_t id, struct placed *out);

/* Walks over the deliveries that a filter selects, newest first, by the best index. Looks at
 * SCAN_ROWS_MAX rows at most. */
struct rows_scan {
    struct connection *c;
    const struct delivery_filter *f;
    int64_t destination, source; /* numbers; 0: any */
    bool is_empty;               /* a name of the filter exists nowhere */
    bool at_end;                 /* nothing is left */
    uint64_t next;               /* the id looked at last: go on behind it */
    sqlite3_stmt *q;
    size_t looked;
};
enum err rows_scan_open(struct rows_scan *s, struct connection *c, const struct delivery_filter *f,
                        uint64_t before, struct reason *why);
/* True when s->q stands on a row that the filter selects. */
bool rows_scan_next(struct rows_scan *s);
/* Resets the statement; ERR_IO when the walk ended by an error. */
enum err rows_scan_close(struct rows_scan *s, struct reason *why);

#endif
