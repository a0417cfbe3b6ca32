/* The codec: what goes in comes out, and cut or changed bytes never read out of bounds. */
#include "unit.h"

#include "base/rand.h"
#include "store/crc32c.h"
#include "store/record.h"

static struct new_delivery deliveries[2] = {
    {.id = 11, .destination = {"ci", 2}, .route = {"r", 1}, .order_key = 9, .next_ms = -4},
    {.id = 12, .destination = {"deploy", 6}, .claimed = true, .listed = true, .next_ms = 5},
};

static struct event_key key = {
    .scope = {"\1ids", 4}, .key = {"k", 1}, .hash = {7, 8}, .window_ms = 60};

static struct object_change changes[2] = {
    {.op = OBJECT_PUT,
     .object = {.kind = {"endpoint", 8},
                .id = {"ep_1", 4},
                .name = {"uid", 3},
                .version = 4,
                .sequence = 90,
                .created_ms = 5,
                .expires_ms = 6,
                .doc = {"{}", 2}}},
    {.op = OBJECT_DELETE, .object = {.kind = {"app", 3}, .id = {"a", 1}, .sequence = 91}},
};
static struct object_set sets[2] = {
    {.next = &sets[1], .changes = changes, .count = 2, .err = ERR_OK},
    {.changes = changes, .count = 2, .err = ERR_CONFLICT},
};

static void build(struct batch *b, struct new_event e[3], struct settlement t[2],
                  struct rejection x[2])
{
    memset(e, 0, 3 * sizeof(*e));
    memset(t, 0, 2 * sizeof(*t));
    memset(x, 0, 2 * sizeof(*x));
    e[0] = (struct new_event){.next = &e[1],
                              .event = {.id = 1, .source = STR("github"), .body = STR("body")},
                              .deliveries = deliveries,
                              .delivery_count = 2,
                              .keys = &key,
                              .key_count = 1,
                              .dedupe_window_ms = 77};
    e[1] = (struct new_event){.next = &e[2], .event = {.id = 2}, .duplicate_of = 1};
    e[2] = (struct new_event){.event = {.id = 3, .head = STR("A: b\r\n"), .flags = 5}};
    t[0] = (struct settlement){.next = &t[1],
                               .delivery_id = 21,
                               .event_id = 1,
                               .state = DELIVERY_DEAD,
                               .next_ms = -1,
                               .settled_ms = 8,
                               .attempts = 3,
                               .reason = STR("gave up"),
                               .attempt = {.id = 55,
                                           .number = 3,
                                           .result = ATTEMPT_LOST,
                                           .status = -7,
                                           .duration_us = 99,
                                           .response = STR("\0x")}};
    t[1] = (struct settlement){.delivery_id = 22, .state = DELIVERY_PENDING};
    x[0] = (struct rejection){.id = 31, .source = STR("s"), .body = STR("b")};
    *b = (struct batch){.events = e,
                        .settlements = t,
                        .rejections = x,
                        .sets = sets,
                        .event_count = 3,
                        .settlement_count = 2,
                        .rejection_count = 2};
}

static void expect_key(struct record_event *got)
{
    struct event_key k;
    EXPECT(record_next_key(got, &k));
    EXPECT_STR(k.scope, "\1ids");
    EXPECT_STR(k.key, "k");
    EXPECT(memcmp(k.hash, key.hash, sizeof(k.hash)) == 0);
    EXPECT_EQ_INT(k.window_ms, 60);
    EXPECT(!record_next_key(got, &k));
}

static void expect_objects(struct record *r)
{
    struct object_change o;
    EXPECT(record_next_object(r, &o));
    EXPECT_EQ_INT(o.op, OBJECT_PUT);
    EXPECT_STR(o.object.kind, "endpoint");
    EXPECT_STR(o.object.name, "uid");
    EXPECT_STR(o.object.doc, "{}");
    EXPECT_EQ_UINT(o.object.version, 4);
    EXPECT_EQ_UINT(o.object.sequence, 90);
    EXPECT_EQ_INT(o.object.expires_ms, 6);
    EXPECT(record_next_object(r, &o));
    EXPECT_EQ_INT(o.op, OBJECT_DELETE);
    EXPECT(!record_next_object(r, &o)); /* the set that did not hold is left out */
}

void test_record_gives_back_what_was_written(void)
{
    struct batch b;
    struct new_event e[3];
    struct settlement t[2];
    struct rejection x[2];
    build(&b, e, t, x);
    size_t n = record_bytes(&b, 1);
    char *bytes = malloc(n);
    record_write(&b, 1, 9, 8000, bytes);
    EXPECT_EQ_UINT(e[1].locator, 0);
    struct record r;
    struct record_event got;
    struct new_delivery d;
    EXPECT(record_read(&r, str_of(bytes, n)));
    EXPECT_EQ_UINT(r.rejected, 9);
    EXPECT(record_next_event(&r, &got));
    EXPECT_EQ_UINT(got.event.id, 1);
    EXPECT_EQ_INT(got.dedupe_window_ms, 77);
    EXPECT_STR(got.event.body, "body");
    EXPECT(record_next_delivery(&got, &d));
    EXPECT_EQ_UINT(d.id, 11);
    EXPECT_EQ_UINT(d.order_key, 9);
    EXPECT_EQ_INT(d.next_ms, -4);
    EXPECT(!d.claimed);
    EXPECT_STR(d.destination, "ci");
    EXPECT(record_next_delivery(&got, &d));
    EXPECT(d.claimed && d.listed);
    EXPECT_STR(d.route, "");
    EXPECT(!record_next_delivery(&got, &d));
    expect_key(&got);
    EXPECT(record_next_event(&r, &got));
    EXPECT_EQ_UINT(got.event.id, 3);
    EXPECT_STR(got.event.head, "A: b\r\n");
    EXPECT_EQ_UINT(got.event.flags, 5);
    EXPECT(!record_next_event(&r, &got));
    struct settlement s;
    EXPECT(record_next_settlement(&r, &s));
    EXPECT_EQ_INT(s.state, DELIVERY_DEAD);
    EXPECT_EQ_INT(s.next_ms, -1);
    EXPECT_STR(s.reason, "gave up");
    EXPECT_EQ_INT(s.attempt.result, ATTEMPT_LOST);
    EXPECT_EQ_UINT(s.attempt.id, 55);
    EXPECT_EQ_INT(s.attempt.status, -7);
    EXPECT_EQ_UINT(s.attempt.delivery_id, 21);
    EXPECT_STR(s.attempt.response, "\0x");
    EXPECT(record_next_settlement(&r, &s));
    EXPECT_EQ_UINT(s.attempt.number, 0);
    struct rejection q;
    EXPECT(record_next_rejection(&r, &q));
    EXPECT_EQ_UINT(q.id, 31);
    EXPECT(!record_next_rejection(&r, &q));
    expect_objects(&r);
    EXPECT(record_is_done(&r));
    free(bytes);
}

void test_record_event_stands_alone_at_its_locator(void)
{
    struct batch b;
    struct new_event e[3];
    struct settlement t[2];
    struct rejection x[2];
    build(&b, e, t, x);
    size_t n = record_bytes(&b, 0);
    char *bytes = malloc(n);
    record_write(&b, 0, 0, 8000, bytes);
    for (int i = 0; i < 3; i += 2) {
        const char *at = bytes + (e[i].locator - 8000);
        struct event got;
        EXPECT_EQ_UINT(e[i].locator % 8, 0);
        size_t whole = record_event_bytes(at);
        EXPECT(whole > 0 && at + whole <= bytes + n);
        EXPECT(record_event_read(str_of(at, whole), &got));
        EXPECT_EQ_UINT(got.id, e[i].event.id);
        EXPECT(!record_event_read(str_of(at, whole - 1), &got));
    }
    free(bytes);
}

static bool read_all(str bytes)
{
    struct record r;
    struct record_event e;
    struct new_delivery d;
    struct event_key k;
    struct settlement t;
    struct rejection x;
    size_t sum = 0;
    if (!record_read(&r, bytes))
        return false;
    while (record_next_event(&r, &e)) {
        while (record_next_delivery(&e, &d))
            sum += d.destination.n;
        while (e.delivery_count == 0 && record_next_key(&e, &k))
            sum += k.key.n;
    }
    while (r.events == 0 && record_next_settlement(&r, &t))
        sum += t.reason.n;
    while (r.events == 0 && r.settlements == 0 && record_next_rejection(&r, &x))
        sum += x.body.n;
    struct object_change o;
    while (r.events == 0 && r.settlements == 0 && r.rejections == 0 && record_next_object(&r, &o))
        sum += o.object.doc.n;
    return record_is_done(&r) && sum < SIZE_MAX;
}

void test_record_cut_bytes_are_refused(void)
{
    struct batch b;
    struct new_event e[3];
    struct settlement t[2];
    struct rejection x[2];
    build(&b, e, t, x);
    size_t n = record_bytes(&b, 2);
    char *bytes = malloc(n);
    record_write(&b, 2, 0, 8000, bytes);
    EXPECT(read_all(str_of(bytes, n)));
    for (size_t cut = 0; cut < n; cut++) {
        char *copy = malloc(cut ? cut : 1); /* so that a sanitizer sees the end */
        memcpy(copy, bytes, cut);
        EXPECT(!read_all(str_of(copy, cut)));
        free(copy);
    }
    struct rng r;
    rng_init(&r, 1);
    for (int i = 0; i < 20000; i++) {
        char *copy = malloc(n);
        memcpy(copy, bytes, n);
        copy[rng_below(&r, n)] = (char)rng_next(&r);
        copy[rng_below(&r, n)] = (char)rng_next(&r);
        read_all(str_of(copy, n));
        free(copy);
    }
    free(bytes);
}

void test_record_checksum_has_the_values_of_the_rfc(void)
{
    char zeros[32] = {0}, ones[32], up[32];
    memset(ones, 0xff, sizeof(ones));
    for (int i = 0; i < 32; i++)
        up[i] = (char)i;
    EXPECT_EQ_UINT(crc32c(0, zeros, 32), 0x8a9136aau);
    EXPECT_EQ_UINT(crc32c(0, ones, 32), 0x62a8ab43u);
    EXPECT_EQ_UINT(crc32c(0, up, 32), 0x46dd794eu);
    EXPECT_EQ_UINT(crc32c(0, "123456789", 9), 0xe3069283u);
    EXPECT_EQ_UINT(crc32c(crc32c(0, "1234", 4), "56789", 5), 0xe3069283u);
}
