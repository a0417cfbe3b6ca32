/* record.h -- one batch as bytes: what a journal record holds, and where one event lies inside.
 *
 * All numbers are little-endian and of fixed width. A payload is five counts (events,
 * settlements, rejections, rejections seen in all, changes of objects) and four spare bytes, then
 * the entries in that order. An event entry begins on a multiple of 8 with a fixed head (its
 * lengths), then its strings, its deliveries, its further keys; it can be read without the rest of
 * the payload. Decoding trusts nothing: any bytes
 * give a value or `false`, and slices point into the given bytes. */
#ifndef GAFF_STORE_RECORD_H
#define GAFF_STORE_RECORD_H

#include "base/buf.h"
#include "store/store.h"

enum record_kind {
    RECORD_OPEN = 2,  /* a process took the store over: leases given before this are void */
    RECORD_BATCH = 3, /* record_write below; 1 was one without objects, of no release */
};

#define RECORD_BYTES_MAX (512u << 20)
#define RECORD_EVENT_HEAD 112u

/* The bytes of a batch: its events that are stored, all settlements, the first `rejections` of the
 * rejected requests, and the changes of the sets that hold. */
size_t record_bytes(const struct batch *b, size_t rejections);
/* Writes exactly record_bytes() to out and sets new_event.locator to lsn + the entry's place.
 * rejected: how many requests were rejected, stored or not. */
void record_write(struct batch *b, size_t rejections, uint32_t rejected, uint64_t lsn, char *out);

struct record { /* a cursor over one payload */
    struct cursor c;
    const char *start;
    uint32_t events, settlements, rejections, objects; /* left to read */
    uint32_t rejected;
};

struct record_event {
    struct event event;
    int64_t dedupe_window_ms;
    uint32_t delivery_count, key_count; /* left to read */
    struct cursor rest;                 /* deliveries, then keys */
};

bool record_read(struct record *r, str payload);
/* Each reads the next entry; false at the end of its kind or when malformed. All events must be
 * read before the first settlement, those before the first rejection, those before the first
 * object; all deliveries of an event before its first key. */
bool record_next_event(struct record *r, struct record_event *out);
bool record_next_delivery(struct record_event *e, struct new_delivery *out);
bool record_next_key(struct record_event *e, struct event_key *out);
bool record_next_settlement(struct record *r, struct settlement *out);
bool record_next_rejection(struct record *r, struct rejection *out);
/* A change that held: version and sequence are set. */
bool record_next_object(struct record *r, struct object_change *out);
/* True when everything announced was read and well-formed. */
bool record_is_done(const struct record *r);

/* The bytes of an event entry without its deliveries, told by its first RECORD_EVENT_HEAD bytes;
 * 0 when malformed. */
size_t record_event_bytes(const char *head);
bool record_event_read(str bytes, struct event *out);

#endif
