/* record_fuzz.c -- any bytes as a journal record's payload, and as an event at a locator. What
 * decodes must say the same when it is encoded and decoded again. */
#include "store/record.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ENTRIES_MAX 64

static void encode_again(const struct record_event *events, size_t count)
{
    struct new_event again[ENTRIES_MAX] = {0};
    struct batch b = {.events = count ? again : NULL, .event_count = count};
    for (size_t i = 0; i < count; i++) {
        again[i].event = events[i].event;
        again[i].dedupe_window_ms = events[i].dedupe_window_ms;
        again[i].next = i + 1 < count ? &again[i + 1] : NULL;
    }
    size_t n = record_bytes(&b, 0);
    char *bytes = malloc(n);
    record_write(&b, 0, 0, 4096, bytes);
    struct record r;
    struct record_event e;
    bool good = record_read(&r, str_of(bytes, n));
    for (size_t i = 0; i < count; i++) {
        good = good && record_next_event(&r, &e);
        assert(good && e.event.id == events[i].event.id);
        assert(str_eq(e.event.body, events[i].event.body));
        assert(str_eq(e.event.trace, events[i].event.trace));
    }
    assert(record_is_done(&r));
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str bytes = str_of((const char *)data, size);
    struct record r;
    struct record_event e, events[ENTRIES_MAX];
    struct new_delivery d;
    struct settlement t;
    struct rejection x;
    struct object_change o;
    struct event_key k;
    struct event alone;
    size_t count = 0, sum = 0;
    if (size >= RECORD_EVENT_HEAD)
        sum += record_event_bytes(bytes.p);
    if (record_event_read(bytes, &alone))
        sum += alone.body.n + alone.head.n;
    if (!record_read(&r, bytes))
        return 0;
    while (record_next_event(&r, &e)) {
        if (count < ENTRIES_MAX)
            events[count++] = e;
        while (record_next_delivery(&e, &d))
            sum += d.destination.n + d.route.n;
        while (e.delivery_count == 0 && record_next_key(&e, &k))
            sum += k.scope.n + k.key.n;
    }
    while (r.events == 0 && record_next_settlement(&r, &t))
        sum += t.reason.n + t.attempt.response.n;
    while (r.events == 0 && r.settlements == 0 && record_next_rejection(&r, &x))
        sum += x.body.n;
    while (r.events == 0 && r.settlements == 0 && r.rejections == 0 && record_next_object(&r, &o))
        sum += o.object.doc.n + o.object.id.n;
    assert(sum < SIZE_MAX);
    encode_again(events, count);
    return 0;
}
