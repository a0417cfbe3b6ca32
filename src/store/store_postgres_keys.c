/* store_postgres_keys.c -- further keys of events, for who copies the store. They are found by when
 * they end, of which there is an index, and which follows from when their event came. */
#include "store/store_postgres.h"

/* As store_postgres_ingest.c puts it: the first number's highest byte first. */
static void read_key(str bytes, uint64_t out[2])
{
    for (size_t i = 0; i < 2; i++) {
        out[i] = 0;
        for (size_t j = 0; j < 8; j++)
            out[i] = out[i] << 8 | (uint8_t)bytes.p[8 * i + j];
    }
}

enum err pg_keys(struct store_reader *base, uint64_t event_id, int64_t received_ms, struct arena *a,
                 struct key_list *out, struct reason *why)
{
    struct PGresult *r = NULL;
    struct pg_args args;
    *out = (struct key_list){0};
    pg_args_init(&args);
    pg_add_i64(&args, received_ms + MESSAGE_REQUEST_WINDOW_MS);
    pg_add_i64(&args, (int64_t)event_id);
    enum err e = pg_ask(pg_of(base->store), PG_USE_OTHER,
                        "SELECT key, hash FROM gaff.keys WHERE until_ms = $1 AND event_id = $2"
                        " ORDER BY key",
                        &args, &r, why);
    pg_args_release(&args);
    if (e != ERR_OK)
        return e;
    out->v = ARENA_ARRAY(a, struct kept_key, (size_t)pg_rows(r) + 1);
    for (int i = 0; out->v && i < pg_rows(r); i++) {
        str key = pg_bytes(r, i, 0), hash = pg_bytes(r, i, 1);
        struct kept_key *x = &out->v[out->count++];
        read_key(key, x->key);
        memcpy(x->hash, hash.p, sizeof(x->hash));
    }
    pg_clear(r);
    return out->v ? ERR_OK
                  : fail(why, ERR_LIMIT, "the result does not fit the memory it was given");
}

enum err pg_take_seed(struct store *base, const uint8_t *seed, struct reason *why)
{
    struct pg_store *s = pg_of(base);
    struct pg_args a;
    pg_args_init(&a);
    pg_add_bytes(&a, str_of((const char *)seed, DEDUPE_SEED_BYTES));
    enum err e = pg_ask(s, PG_USE_OTHER, "UPDATE gaff.meta SET dedupe_seed = $1", &a, NULL, why);
    pg_args_release(&a);
    if (e == ERR_OK)
        memcpy(s->dedupe_seed, seed, DEDUPE_SEED_BYTES);
    return e;
}
