/* store_sqlite_chunk.h -- a run of journal records on its way into the tables.
 *
 * What happened to a delivery inside one chunk is folded into one row before it is written: most
 * deliveries are born and settled within milliseconds and cost one insert. */
#ifndef GAFF_STORE_STORE_SQLITE_CHUNK_H
#define GAFF_STORE_STORE_SQLITE_CHUNK_H

#include "store/store_sqlite.h"

struct chunk *chunk_new(void);
/* Applies whole records (as journal_read gives them) inside the open transaction. The slice must
 * stay until the call returns. */
enum err chunk_apply(struct sqlite_store *s, struct chunk *c, str records, struct reason *why);

#endif
