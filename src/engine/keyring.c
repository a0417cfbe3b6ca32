/* keyring.c -- a map of documents under a lock, filled by a loop of its own.
 *
 * A document that is old is fetched again while the old one serves; when that keeps failing it
 * serves for KEPT_TTLS times its life and then no more. A fetch that failed is tried again after a
 * growing while, and only when somebody asks. */
#include "engine/keyring.h"

#include "base/log.h"
#include "base/map.h"

#include <pthread.h>
#include <stdatomic.h>

#define FETCH_TIMEOUT_MS 10000
#define REFETCH_MIN_MS 60000 /* for a key that a document lacks */
#define BACKOFF_FIRST_MS 5000
#define BACKOFF_MAX_MS 300000
#define KEPT_TTLS 7
#define VISIT_TRIES 5
#define FETCHES_AT_ONCE 8

struct document {
    char *url;
    char *bytes; /* NULL: never fetched */
    size_t n;
    uint64_t version;
    int64_t fetched_ms, retry_ms, used_ms;
    int64_t backoff_ms;
    bool fetching, refused;
};

struct errand {
    struct loop_msg msg;
    struct loop_timer again;
    struct http_call call;
    struct keyring *keyring;
    char *url, *what; /* what == NULL: a document */
    int tries;
};

struct keyring {
    const struct clock *clock;
    struct http_client_options options; /* what it points to is below */
    struct net *allow;
    char *ca_file;
    struct key_source source;
    pthread_mutex_t lock;
    struct map documents; /* all below under the lock */
    uint64_t next_version, fetched, failed;
    int64_t minute;
    unsigned fetches; /* in that minute */
    size_t visits, errands;
    struct errand *under_way[KEYRING_DOCUMENTS_MAX + KEYRING_VISITS_MAX];
    struct loop *loop; /* NULL until something is to be fetched */
    struct loop_thread thread;
    struct http_client *client;
};

static char *copy(str s)
{
    char *out = xcalloc(1, s.n + 1);
    memcpy(out, s.p, s.n);
    return out;
}

/* --- errands, on the loop's thread ------------------------------------------------------------ */

static void errand_free(struct errand *e)
{
    loop_timer_stop(&e->again);
    free(e->url);
    free(e->what);
    free(e);
}

static void errand_end(struct keyring *k, struct errand *e)
{
    for (size_t i = 0; i < k->errands; i++)
        if (k->under_way[i] == e) {
            k->under_way[i] = k->under_way[--k->errands];
            break;
        }
    errand_free(e);
}

static void keep_answer(struct keyring *k, struct document *d, const struct http_answer *answer,
                        int64_t now_ms)
{
    bool good = answer->class == HTTP_CALL_OK && answer->status == 200 && answer->body.n > 0 &&
                !answer->body_truncated;
    d->fetching = false;
    k->fetched += good;
    k->failed += !good;
    if (good) {
        /* The same bytes are the same version: nobody has to read them again. */
        if (!d->bytes || d->n != answer->body.n || memcmp(d->bytes, answer->body.p, d->n) != 0) {
            free(d->bytes);
            d->bytes = copy(answer->body);
            d->n = answer->body.n;
            d->version = ++k->next_version;
        }
        d->fetched_ms = now_ms;
        d->backoff_ms = 0;
        d->refused = false;
        return;
    }
    d->backoff_ms = d->backoff_ms ? 2 * d->backoff_ms : BACKOFF_FIRST_MS;
    if (d->backoff_ms > BACKOFF_MAX_MS)
        d->backoff_ms = BACKOFF_MAX_MS;
    d->retry_ms = now_ms + d->backoff_ms;
    d->refused = answer->class == HTTP_CALL_BLOCKED || answer->class == HTTP_CALL_INVALID ||
                 (answer->class == HTTP_CALL_OK && answer->status >= 400 && answer->status < 500);
}

static void log_answer(const struct errand *e, const struct http_answer *answer)
{
    char status[16];
    snprintf(status, sizeof(status), "%d", answer->status);
    bool good = answer->class == HTTP_CALL_OK && answer->status / 100 == 2;
    log_event(good ? LOG_INFO : LOG_WARN,
              e->what ? good ? "confirmed" : "a confirmation failed"
              : good  ? "public key fetched"
                      : "a public key could not be fetched",
              LOG_F("url", str_from_cstr(e->url)),
              LOG_F("for", str_from_cstr(e->what ? e->what : "verification")),
              LOG_F("status", str_from_cstr(status)),
              LOG_F("reason", str_from_cstr(answer->class == HTTP_CALL_OK ? "" : answer->error)));
}

static void start_call(struct errand *e);

static void try_again(struct loop_timer *t)
{
    start_call(CONTAINER_OF(t, struct errand, again));
}

static void on_answer(struct http_call *call, const struct http_answer *answer)
{
    struct errand *e = CONTAINER_OF(call, struct errand, call);
    struct keyring *k = e->keyring;
    if (answer->class == HTTP_CALL_CANCELLED)
        return; /* the keyring ends and frees it */
    log_answer(e, answer);
    bool transient = answer->class != HTTP_CALL_OK
                         ? answer->class != HTTP_CALL_BLOCKED && answer->class != HTTP_CALL_INVALID
                         : answer->status >= 500 || answer->status == 429;
    if (e->what && transient && ++e->tries < VISIT_TRIES) {
        loop_timer_start(k->loop, &e->again, BACKOFF_FIRST_MS << e->tries, try_again);
        return;
    }
    pthread_mutex_lock(&k->lock);
    struct document *d = e->what ? NULL : map_get(&k->documents, str_from_cstr(e->url));
    if (d)
        keep_answer(k, d, answer, clock_wall_ms(k->clock));
    k->visits -= e->what != NULL;
    errand_end(k, e);
    pthread_mutex_unlock(&k->lock);
}

static void start_call(struct errand *e)
{
    static const struct http_field accept = {{"Accept", 6}, {"*/*", 3}};
    e->call = (struct http_call){.method = STR("GET"),
                                 .url = str_from_cstr(e->url),
                                 .fields = &accept,
                                 .field_count = 1,
                                 .policy = OUTBOUND_PUBLIC,
                                 .timeout_ms = FETCH_TIMEOUT_MS,
                                 .done = on_answer};
    http_client_start(e->keyring->client, &e->call);
}

static void on_errand(struct loop_msg *msg)
{
    start_call(CONTAINER_OF(msg, struct errand, msg));
}

/* --- asking, on any thread, under the lock -----------------------------------------------------
 */

static void send_errand(struct keyring *k, str url, const char *what)
{
    if (!k->loop) {
        k->loop = loop_new(k->clock);
        k->client = http_client_new(k->loop, &k->options);
        loop_thread_start(&k->thread, k->loop, "gaff-keys");
    }
    struct errand *e = xcalloc(1, sizeof(*e));
    e->msg.fn = on_errand;
    e->keyring = k;
    e->url = copy(url);
    e->what = what ? copy(str_from_cstr(what)) : NULL;
    k->under_way[k->errands++] = e;
    loop_post(k->loop, &e->msg);
}

static bool may_fetch(struct keyring *k, int64_t now_ms)
{
    if (now_ms / 60000 != k->minute) {
        k->minute = now_ms / 60000;
        k->fetches = 0;
    }
    return k->errands < ARRAY_LEN(k->under_way) - KEYRING_VISITS_MAX &&
           k->fetches < KEYRING_FETCHES_A_MINUTE;
}

static void document_free(struct document *d)
{
    free(d->url);
    free(d->bytes);
    free(d);
}

/* Drops the one that was not asked for for the longest time. */
static bool make_room(struct keyring *k)
{
    struct document *oldest = NULL;
    struct map_entry e;
    if (k->documents.count < KEYRING_DOCUMENTS_MAX)
        return true;
    for (size_t i = 0; map_next(&k->documents, &i, &e);) {
        struct document *d = e.value;
        if (!d->fetching && (!oldest || d->used_ms < oldest->used_ms))
            oldest = d;
    }
    if (!oldest)
        return false;
    map_remove(&k->documents, str_from_cstr(oldest->url));
    document_free(oldest);
    return true;
}

static void fetch(struct keyring *k, struct document *d, int64_t now_ms)
{
    if (d->fetching || now_ms < d->retry_ms || !may_fetch(k, now_ms))
        return;
    d->fetching = true;
    k->fetches++;
    send_errand(k, str_from_cstr(d->url), NULL);
}

static struct document *document_of(struct keyring *k, str url, int64_t now_ms)
{
    struct document *d = map_get(&k->documents, url);
    if (!d && may_fetch(k, now_ms) && make_room(k)) {
        d = xcalloc(1, sizeof(*d));
        d->url = copy(url);
        map_put(&k->documents, url, d);
    }
    if (d)
        d->used_ms = now_ms;
    return d;
}

static enum key_state give(struct keyring *k, struct document *d, const struct key_wish *wish,
                           int64_t now_ms, struct arena *a, str *doc, uint64_t *version)
{
    int64_t age_ms = now_ms - d->fetched_ms;
    if (!d->bytes || age_ms > KEPT_TTLS * wish->ttl_ms) {
        bool refused = d->refused && now_ms < d->retry_ms;
        fetch(k, d, now_ms);
        return refused ? KEY_REFUSED : KEY_COMING;
    }
    if (wish->not_inside && age_ms >= REFETCH_MIN_MS) {
        fetch(k, d, now_ms);
        return KEY_COMING;
    }
    if (age_ms > wish->ttl_ms)
        fetch(k, d, now_ms);
    *version = d->version;
    if (wish->known != d->version)
        *doc = arena_str(a, str_of(d->bytes, d->n));
    return wish->known == d->version || doc->p ? KEY_HERE : KEY_COMING;
}

static enum key_state get(void *arg, const struct key_wish *wish, struct arena *a, str *doc,
                          uint64_t *version)
{
    struct keyring *k = arg;
    enum key_state state = KEY_COMING;
    int64_t now_ms = clock_wall_ms(k->clock);
    pthread_mutex_lock(&k->lock);
    struct document *d = document_of(k, wish->url, now_ms);
    if (d)
        state = give(k, d, wish, now_ms, a, doc, version);
    pthread_mutex_unlock(&k->lock);
    return state;
}

bool keyring_visit(struct keyring *k, str url, str what)
{
    pthread_mutex_lock(&k->lock);
    bool room = k->visits < KEYRING_VISITS_MAX;
    if (room) {
        char *name = copy(what);
        k->visits++;
        send_errand(k, url, name);
        free(name);
    }
    pthread_mutex_unlock(&k->lock);
    return room;
}

void keyring_counts(struct keyring *k, uint64_t *documents, uint64_t *fetched, uint64_t *failed)
{
    pthread_mutex_lock(&k->lock);
    *documents = k->documents.count;
    *fetched = k->fetched;
    *failed = k->failed;
    pthread_mutex_unlock(&k->lock);
}

/* --- life cycle --------------------------------------------------------------------------------
 */

struct keyring *keyring_new(const struct clock *clock, const struct http_client_options *client)
{
    struct keyring *k = xcalloc(1, sizeof(*k));
    k->clock = clock;
    k->options = *client;
    k->options.max_in_flight = FETCHES_AT_ONCE;
    k->options.allow = k->allow = xcalloc(client->allow_count + 1, sizeof(*k->allow));
    for (size_t i = 0; i < client->allow_count; i++)
        k->allow[i] = client->allow[i];
    if (client->ca_file)
        k->options.ca_file = k->ca_file = copy(str_from_cstr(client->ca_file));
    k->source = (struct key_source){get, k};
    pthread_mutex_init(&k->lock, NULL);
    return k;
}

const struct key_source *keyring_source(struct keyring *k)
{
    return &k->source;
}

void keyring_free(struct keyring *k)
{
    struct map_entry e;
    if (!k)
        return;
    if (k->loop) {
        loop_stop(k->loop);
        loop_thread_join(&k->thread);
        http_client_free(k->client);
        for (size_t i = 0; i < k->errands; i++)
            errand_free(k->under_way[i]);
        loop_free(k->loop);
    }
    for (size_t i = 0; map_next(&k->documents, &i, &e);)
        document_free(e.value);
    map_release(&k->documents);
    free(k->allow);
    free(k->ca_file);
    pthread_mutex_destroy(&k->lock);
    free(k);
}
