/* ingest_answer.h -- what a sender is told of its event. On the front loop of the exchange, which
 * each of these answers. */
#ifndef GAFF_ENGINE_INGEST_ANSWER_H
#define GAFF_ENGINE_INGEST_ANSWER_H

#include "base/json.h"
#include "engine/engine.h"
#include "store/store.h"

/* It is stored, or a repeat of a stored one: as the source's `respond` has it, else as its provider
 * wants it, else {"id": ...}. */
void ingest_answer_stored(struct http_exchange *x, const struct source_config *s,
                          const struct verifier *verifier, const struct new_event *e);

/* The same for a batch, {"ids": [...], "duplicates": n}: its events are added in their order, and
 * end answers. */
struct ingest_answer_list {
    struct buf text;
    struct json_writer w;
    int64_t duplicates;
    uint64_t last_id;
};
void ingest_answer_list_begin(struct ingest_answer_list *l, size_t count);
void ingest_answer_list_add(struct ingest_answer_list *l, const struct new_event *e);
void ingest_answer_list_end(struct ingest_answer_list *l, struct http_exchange *x,
                            const struct source_config *s, const struct verifier *verifier);

/* 503: nothing was stored, and it may come again. */
void ingest_answer_refused(struct http_exchange *x);

/* 405: it came by a method that only handshakes may use, and is none. */
void ingest_refuse_method(struct http_exchange *x, const struct source_config *s);

#endif
