/* sealed.h -- documents that hold secrets, sealed on their way into a store and opened on their way
 * out. store.h calls these; nobody above a store sees a sealed document. */
#ifndef GAFF_STORE_SEALED_H
#define GAFF_STORE_SEALED_H

#include "store/model.h"
#include "verify/seal.h"

struct batch;
struct store;

/* Of these kinds the documents are sealed; NULL-terminated. The first holds nothing but whether the
 * key is right. */
#define SEALED_CHECK_KIND "seal"
extern const char *const sealed_kinds[];
bool sealed_kind(str kind);
/* store_commit with a seal: the changes keep the documents they came with. */
enum err sealed_commit(struct store *s, struct batch *b, struct reason *why);
/* Opens the documents of `count` objects into the arena, if they are sealed. ERR_DENIED without
 * their key. */
enum err sealed_open(const struct seal *seal, struct object *v, size_t count, struct arena *a,
                     struct reason *why);

#endif
