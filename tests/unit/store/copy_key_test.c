/* copy_key_test.c -- after a move a request that is sent again is known, and what it was is too. */
#include "kit.h"
#include "postgres_database.h"
#include "store/copy.h"
#include "store/dedupe.h"

#define DAY_MS (24 * 3600 * INT64_C(1000))
#define REQUEST_SCOPE "\1idempotency\1who\1/where"

struct message {
    const char *request, *uid; /* NULL: none */
    uint8_t hash[16];
    int64_t age_ms;
};

/* Commits it; the event as the store left it. */
static struct new_event put(struct kit *k, struct store *s, const struct message *m)
{
    struct event_key keys[EVENT_KEYS_MAX];
    struct new_event *n = kit_event(k, STR("{}"));
    n->event.source = STR("app_1");
    n->event.flags = EVENT_LISTED;
    n->event.received_ms = clock_wall_ms(clock_real()) - m->age_ms;
    n->event.dedupe_key = str_from_cstr(m->uid ? m->uid : "");
    n->keys = keys;
    if (m->request) {
        keys[n->key_count] = (struct event_key){.scope = STR(REQUEST_SCOPE),
                                                .key = str_from_cstr(m->request),
                                                .window_ms = MESSAGE_REQUEST_WINDOW_MS};
        memcpy(keys[n->key_count++].hash, m->hash, sizeof(m->hash));
    }
    if (m->uid)
        keys[n->key_count++] = (struct event_key){.scope = STR(MESSAGE_ID_SCOPE "app_1"),
                                                  .key = str_from_cstr(m->uid),
                                                  .window_ms = MESSAGE_ID_WINDOW_MS};
    struct batch b = {.events = n, .event_count = 1};
    k->count = 0;
    EXPECT_OK(store_commit(s, &b, &k->why), k->why);
    struct new_event out = *n;
    out.keys = NULL;
    return out;
}

static void copy(struct store *from, struct store *to, uint64_t keys)
{
    struct reason why;
    uint64_t left;
    struct copier *c = copier_new(from, to, NULL, NULL, NULL, &why);
    EXPECT(c != NULL);
    EXPECT_OK(copier_start(c, STR("from"), &why), why);
    EXPECT_OK(copier_follow(c, INT64_MAX, &left, &why), why);
    EXPECT_OK(copier_compare(c, &why), why);
    const struct copy_progress *p = copier_progress(c);
    EXPECT_EQ_UINT(p->from.keys, keys);
    EXPECT_EQ_UINT(p->to.keys, keys);
    EXPECT_EQ_UINT(p->mended, 0);
    EXPECT_OK(copier_end(c, &why), why);
    EXPECT_OK(copy_mark_set(to, COPY_NONE, STR(""), &why), why);
    copier_free(c);
}

static const struct message
    only = {"one", NULL, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, 0},
    both = {"two", "invoice-2", {16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1}, 0},
    old = {"old", "invoice-0", {7}, 20 * DAY_MS};

/* What was sent before is known in this store, by whom it was. */
static void expect_known(struct kit *k, struct store *s, const uint64_t ids[3])
{
    struct message other = only;
    struct new_event n = put(k, s, &only);
    EXPECT_EQ_UINT(n.duplicate_of, ids[0]);
    EXPECT(n.same_hash);
    other.hash[9] ^= 1;
    n = put(k, s, &other);
    EXPECT_EQ_UINT(n.duplicate_of, ids[0]);
    EXPECT(!n.same_hash);
    n = put(k, s, &both);
    EXPECT_EQ_UINT(n.duplicate_of, ids[1]);
    EXPECT_EQ_UINT(n.matched, 1);
    EXPECT(n.same_hash);
    struct message again = old;
    again.request = NULL;
    again.age_ms = 0;
    n = put(k, s, &again);
    EXPECT_EQ_UINT(n.duplicate_of, ids[2]);
}

void test_copy_brings_the_keys_of_requests_there_and_back(void)
{
    struct postgres_database db;
    struct kit k;
    postgres_database_make(&db);
    kit_open(&k, "sqlite:from");
    uint64_t ids[3];
    ids[2] = put(&k, k.s, &old).event.id;
    ids[0] = put(&k, k.s, &only).event.id;
    ids[1] = put(&k, k.s, &both).event.id;
    expect_known(&k, k.s, ids);
    struct store *there = store_open(str_from_cstr(db.url), &k.clock.base, &k.why);
    if (!there)
        FAIL("%s", k.why.text);
    copy(k.s, there, 2);
    expect_known(&k, there, ids);
    struct message late = {"late", NULL, {3}, 0};
    uint64_t id = put(&k, there, &late).event.id;
    struct store *back = store_open(STR("sqlite:back"), &k.clock.base, &k.why);
    if (!back)
        FAIL("%s", k.why.text);
    copy(there, back, 3);
    expect_known(&k, back, ids);
    EXPECT_EQ_UINT(put(&k, back, &late).duplicate_of, id);
    /* Its day is over: the same key is a new request's. */
    struct message later = old;
    later.uid = NULL;
    later.age_ms = 0;
    EXPECT_EQ_UINT(put(&k, back, &later).duplicate_of, 0);
    EXPECT_EQ_UINT(put(&k, there, &later).duplicate_of, 0);
    store_close(back);
    store_close(there);
    /* It reads what it knows from its journal and its tables. */
    back = store_open(STR("sqlite:back"), &k.clock.base, &k.why);
    expect_known(&k, back, ids);
    store_close(back);
    kit_close(&k);
    postgres_database_drop(&db);
}

void test_copy_refuses_a_store_with_events_of_another(void)
{
    struct kit k;
    kit_open(&k, "sqlite:from");
    put(&k, k.s, &only);
    struct store *to = store_open(STR("sqlite:to"), &k.clock.base, &k.why);
    EXPECT(to != NULL);
    put(&k, to, &both);
    struct copier *c = copier_new(k.s, to, NULL, NULL, NULL, &k.why);
    EXPECT_EQ_INT(copier_start(c, STR("from"), &k.why), ERR_CONFLICT);
    EXPECT_HAS(k.why.text, "name one that is empty");
    copier_free(c);
    /* It bears no mark: whoever works with it goes on. */
    struct store_reader *r = store_reader_open(to, &k.why);
    EXPECT_OK(copy_mark_check(r, &k.why), k.why);
    store_reader_close(r);
    store_close(to);
    kit_close(&k);
}

/* Two of a source that had forgotten the first: the later one keeps the key that is its own. */
void test_copy_keeps_the_key_of_a_message_whose_id_came_again(void)
{
    struct kit k;
    kit_open(&k, "sqlite:from");
    struct message first = {NULL, "again", {1}, 3 * DAY_MS}, second = {"second", "again", {2}, 0};
    put(&k, k.s, &first);
    struct event_key key = {.scope = STR(REQUEST_SCOPE),
                            .key = STR("second"),
                            .hash = {2},
                            .window_ms = MESSAGE_REQUEST_WINDOW_MS};
    struct new_event *n = kit_event(&k, STR("{}"));
    n->event.source = STR("app_1");
    n->event.flags = EVENT_LISTED;
    n->event.received_ms = clock_wall_ms(clock_real());
    n->event.dedupe_key = STR("again");
    n->keys = &key;
    n->key_count = 1;
    uint64_t id = n->event.id;
    kit_commit(&k);
    struct store *to = store_open(STR("sqlite:to"), &k.clock.base, &k.why);
    EXPECT(to != NULL);
    copy(k.s, to, 1);
    struct new_event repeat = put(&k, to, &second);
    EXPECT_EQ_UINT(repeat.duplicate_of, id);
    EXPECT(repeat.same_hash);
    store_close(to);
    kit_close(&k);
}

/* --- out of SQLite's buckets ------------------------------------------------------------------ */

#define EVENTS (DEDUPE_BUCKET_KEYS * 5 / 4)
#define ROUND 2048u

static void expect_keys(struct kit *k, const uint64_t *ids, size_t from, size_t to, size_t step)
{
    for (size_t i = from; i < to; i += step) {
        struct key_list l;
        arena_reset(&k->a);
        EXPECT_OK(k->s->ops->keys(k->r, ids[i], 0, &k->a, &l, &k->why), k->why);
        EXPECT_EQ_UINT(l.count, 1);
        EXPECT_EQ_UINT(l.forgotten, 0);
        EXPECT_EQ_UINT(dedupe_fold(l.v[0].hash), i + 1);
    }
}

/* Asked while a bucket fills, and after it was closed. */
void test_sqlite_tells_the_keys_of_an_event_from_open_and_closed_buckets(void)
{
    struct kit k;
    kit_open(&k, "sqlite:from");
    uint64_t *ids = calloc(EVENTS, sizeof(*ids));
    struct event_key keys[KIT_BATCH_MAX];
    char names[KIT_BATCH_MAX][32];
    for (size_t i = 0; i < EVENTS; i += KIT_BATCH_MAX) {
        for (size_t j = 0; j < KIT_BATCH_MAX; j++) {
            struct new_event *n = kit_event(&k, STR("{}"));
            snprintf(names[j], sizeof(names[j]), "request-%zu", i + j);
            keys[j] = (struct event_key){.scope = STR(REQUEST_SCOPE),
                                         .key = str_from_cstr(names[j]),
                                         .window_ms = MESSAGE_REQUEST_WINDOW_MS};
            dedupe_unfold(i + j + 1, keys[j].hash);
            n->event.flags = EVENT_LISTED;
            n->keys = &keys[j];
            n->key_count = 1;
            ids[i + j] = n->event.id;
        }
        kit_commit(&k);
        if (i % (ROUND * 2) == 0)
            expect_keys(&k, ids, i, i + KIT_BATCH_MAX, 9);
    }
    expect_keys(&k, ids, 0, EVENTS, 97);
    store_reader_close(k.r);
    k.r = store_reader_open(k.s, &k.why);
    expect_keys(&k, ids, 0, EVENTS, 97);
    free(ids);
    kit_close(&k);
}
