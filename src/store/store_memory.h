/* store_memory.h -- the store without a disk; see store.h for its contract. */
#ifndef GAFF_STORE_STORE_MEMORY_H
#define GAFF_STORE_STORE_MEMORY_H

#include "store/store.h"

/* size: "" for the default of 256 MiB, or a number of MiB. */
struct store *store_memory_open(str size, const struct clock *clock, struct reason *why);

#endif
