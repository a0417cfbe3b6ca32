/* store_sqlite_settle.h -- what came of attempts, on its way into the tables. Under the writer lock
 * inside a transaction; false: it must be rolled back. */
#ifndef GAFF_STORE_STORE_SQLITE_SETTLE_H
#define GAFF_STORE_STORE_SQLITE_SETTLE_H

#include "store/store_sqlite.h"

struct settled { /* and written: with its delivery's row as far as attempts repeat it */
    const struct settlement *settlement; /* NULL when the attempt alone is written */
    const struct attempt *attempt;       /* also names the delivery */
    uint64_t event_id;
    int64_t destination;
};

/* Once, when the writer is open. */
bool settle_open(struct sqlite_store *s);
/* Those that may be: the others lost their lease, and are passed over. `is_former`: they were
 * settled by a former process. */
bool settle_deliveries(struct sqlite_store *s, const struct settlement *v, size_t count,
                       bool is_former);
/* Only the attempts; of each that has a number. */
bool settle_attempts(struct sqlite_store *s, const struct settled *v, size_t count);

#endif
