/* record.c -- the codec of a batch. The writer counts first and then copies every string once,
 * straight to where the journal writes from; the reader checks every length. journal.c guards the
 * bytes by a checksum; this file must not need it. */
#include "store/record.h"

#define EVENT_STRINGS 12
#define EVENT_BYTES_MAX (256u << 20)
#define PAYLOAD_HEAD 24u
#define IS_CLAIMED 1u
#define IS_LISTED 2u
#define SUPERSEDES 4u

static void put_u32(char **p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        *(*p)++ = (char)(v >> (8 * i));
}

static void put_u64(char **p, uint64_t v)
{
    for (int i = 0; i < 8; i++)
        *(*p)++ = (char)(v >> (8 * i));
}

static void put_bytes(char **p, str s)
{
    if (s.n)
        memcpy(*p, s.p, s.n);
    *p += s.n;
}

static void put_blob(char **p, str s)
{
    put_u32(p, (uint32_t)s.n);
    put_bytes(p, s);
}

static size_t padded(size_t n)
{
    return (n + 7) & ~(size_t)7;
}

static void pad(char **p, const char *from)
{
    while ((size_t)(*p - from) & 7)
        *(*p)++ = 0;
}

/* The one order of an event's strings; the body last, so that all before it sits together. */
static void event_strings(const struct event *e, str out[EVENT_STRINGS])
{
    const str all[EVENT_STRINGS] = {e->source,  e->provider,     e->type,   e->dedupe_key,
                                    e->verdict, e->verdict_text, e->method, e->target,
                                    e->peer,    e->head,         e->trace,  e->body};
    memcpy(out, all, sizeof(all));
}

static size_t event_bytes(const struct event *e)
{
    str s[EVENT_STRINGS];
    event_strings(e, s);
    size_t n = RECORD_EVENT_HEAD;
    for (int i = 0; i < EVENT_STRINGS; i++)
        n += s[i].n;
    return n;
}

static size_t delivery_bytes(const struct new_delivery *d)
{
    return 28 + 8 + d->destination.n + d->route.n;
}

static size_t key_bytes(const struct event_key *k)
{
    return 8 + sizeof(k->hash) + 8 + k->scope.n + k->key.n;
}

static size_t object_bytes(const struct object *o)
{
    return 4 + 5 * 8 + 5 * 4 + o->kind.n + o->id.n + o->parent.n + o->name.n + o->doc.n;
}

static size_t entry_bytes(const struct new_event *n)
{
    size_t bytes = event_bytes(&n->event);
    for (size_t i = 0; i < n->delivery_count; i++)
        bytes += delivery_bytes(&n->deliveries[i]);
    for (size_t i = 0; i < n->key_count; i++)
        bytes += key_bytes(&n->keys[i]);
    return padded(bytes);
}

static size_t settlement_bytes(const struct settlement *s)
{
    size_t n = 44 + 4 + s->reason.n;
    const struct attempt *a = &s->attempt;
    if (a->number)
        n += 32 + 5 * 4 + a->error_class.n + a->summary.n + a->request.n + a->response.n +
             a->timing.n;
    return n;
}

static size_t rejection_bytes(const struct rejection *r)
{
    return 16 + 8 * 4 + r->source.n + r->verdict.n + r->verdict_text.n + r->method.n + r->target.n +
           r->peer.n + r->head.n + r->body.n;
}

size_t record_bytes(const struct batch *b, size_t rejections)
{
    assert(rejections <= b->rejection_count);
    size_t n = PAYLOAD_HEAD;
    for (const struct new_event *e = b->events; e; e = e->next)
        if (new_event_is_stored(e))
            n += entry_bytes(e);
    for (const struct settlement *s = b->settlements; s; s = s->next)
        n += settlement_bytes(s);
    for (size_t i = 0; i < rejections; i++)
        n += rejection_bytes(&b->rejections[i]);
    for (const struct object_set *t = b->sets; t; t = t->next)
        for (size_t i = 0; t->err == ERR_OK && i < t->count; i++)
            n += object_bytes(&t->changes[i].object);
    return n;
}

static void put_event(char **p, const struct new_event *n)
{
    const struct event *e = &n->event;
    const char *start = *p;
    str s[EVENT_STRINGS];
    event_strings(e, s);
    put_u32(p, (uint32_t)entry_bytes(n));
    put_u32(p, (uint32_t)event_bytes(e));
    put_u64(p, e->id);
    put_u64(p, (uint64_t)e->received_ms);
    put_bytes(p, str_of((const char *)e->body_hash, sizeof(e->body_hash)));
    put_u64(p, (uint64_t)n->dedupe_window_ms);
    put_u32(p, e->flags);
    put_u32(p, (uint32_t)n->delivery_count);
    put_u32(p, (uint32_t)n->key_count);
    put_u32(p, 0);
    for (int i = 0; i < EVENT_STRINGS; i++)
        put_u32(p, (uint32_t)s[i].n);
    assert((size_t)(*p - start) == RECORD_EVENT_HEAD);
    for (int i = 0; i < EVENT_STRINGS; i++)
        put_bytes(p, s[i]);
    for (size_t i = 0; i < n->delivery_count; i++) {
        const struct new_delivery *d = &n->deliveries[i];
        put_u64(p, d->id);
        put_u64(p, d->order_key);
        put_u64(p, (uint64_t)d->next_ms);
        put_u32(p, (d->claimed ? IS_CLAIMED : 0) | (d->listed ? IS_LISTED : 0) |
                       (d->supersedes ? SUPERSEDES : 0));
        put_blob(p, d->destination);
        put_blob(p, d->route);
    }
    for (size_t i = 0; i < n->key_count; i++) {
        const struct event_key *k = &n->keys[i];
        put_u64(p, (uint64_t)k->window_ms);
        put_bytes(p, str_of((const char *)k->hash, sizeof(k->hash)));
        put_blob(p, k->scope);
        put_blob(p, k->key);
    }
    pad(p, start);
}

static void put_settlement(char **p, const struct settlement *s)
{
    const struct attempt *a = &s->attempt;
    put_u64(p, s->delivery_id);
    put_u64(p, s->event_id);
    put_u32(p, (uint32_t)s->state);
    put_u32(p, s->attempts);
    put_u64(p, (uint64_t)s->next_ms);
    put_u64(p, (uint64_t)s->settled_ms);
    put_blob(p, s->reason);
    put_u32(p, a->number);
    if (!a->number)
        return;
    put_u64(p, a->id);
    put_u32(p, (uint32_t)a->result);
    put_u64(p, (uint64_t)a->started_ms);
    put_u64(p, (uint64_t)a->duration_us);
    put_u32(p, (uint32_t)a->status);
    put_blob(p, a->error_class);
    put_blob(p, a->summary);
    put_blob(p, a->request);
    put_blob(p, a->response);
    put_blob(p, a->timing);
}

static void put_rejection(char **p, const struct rejection *r)
{
    put_u64(p, r->id);
    put_u64(p, (uint64_t)r->received_ms);
    put_blob(p, r->source);
    put_blob(p, r->verdict);
    put_blob(p, r->verdict_text);
    put_blob(p, r->method);
    put_blob(p, r->target);
    put_blob(p, r->peer);
    put_blob(p, r->head);
    put_blob(p, r->body);
}

static void put_object(char **p, const struct object_change *c)
{
    const struct object *o = &c->object;
    put_u32(p, (uint32_t)c->op);
    put_u64(p, o->version);
    put_u64(p, o->sequence);
    put_u64(p, (uint64_t)o->created_ms);
    put_u64(p, (uint64_t)o->updated_ms);
    put_u64(p, (uint64_t)o->expires_ms);
    put_blob(p, o->kind);
    put_blob(p, o->id);
    put_blob(p, o->parent);
    put_blob(p, o->name);
    put_blob(p, o->doc);
}

static uint32_t count_objects(const struct batch *b)
{
    size_t n = 0;
    for (const struct object_set *t = b->sets; t; t = t->next)
        n += t->err == ERR_OK ? t->count : 0;
    return (uint32_t)n;
}

void record_write(struct batch *b, size_t rejections, uint32_t rejected, uint64_t lsn, char *out)
{
    char *p = out;
    uint32_t events = 0, settlements = 0;
    for (const struct new_event *e = b->events; e; e = e->next)
        events += new_event_is_stored(e);
    for (const struct settlement *s = b->settlements; s; s = s->next)
        settlements++;
    put_u32(&p, events);
    put_u32(&p, settlements);
    put_u32(&p, (uint32_t)rejections);
    put_u32(&p, rejected);
    put_u32(&p, count_objects(b));
    put_u32(&p, 0);
    for (struct new_event *e = b->events; e; e = e->next) {
        e->locator = new_event_is_stored(e) ? lsn + (uint64_t)(p - out) : 0;
        if (e->locator)
            put_event(&p, e);
    }
    for (const struct settlement *s = b->settlements; s; s = s->next)
        put_settlement(&p, s);
    for (size_t i = 0; i < rejections; i++)
        put_rejection(&p, &b->rejections[i]);
    for (const struct object_set *t = b->sets; t; t = t->next)
        for (size_t i = 0; t->err == ERR_OK && i < t->count; i++)
            put_object(&p, &t->changes[i]);
}

/* --- reading ---------------------------------------------------------------------------------- */

static size_t left(const struct cursor *c)
{
    return (size_t)(c->end - c->p);
}

bool record_read(struct record *r, str payload)
{
    *r = (struct record){.c = cursor_of(payload), .start = payload.p};
    r->events = cursor_u32(&r->c);
    r->settlements = cursor_u32(&r->c);
    r->rejections = cursor_u32(&r->c);
    r->rejected = cursor_u32(&r->c);
    r->objects = cursor_u32(&r->c);
    (void)cursor_u32(&r->c);
    return !r->c.failed;
}

size_t record_event_bytes(const char *head)
{
    struct cursor c = cursor_of(str_of(head, RECORD_EVENT_HEAD));
    uint32_t whole = cursor_u32(&c);
    uint32_t own = cursor_u32(&c);
    bool good = own >= RECORD_EVENT_HEAD && own <= whole && whole <= EVENT_BYTES_MAX;
    return good ? own : 0;
}

/* Reads the event of an entry; *tail gets what follows it inside the entry. */
static bool read_entry(struct cursor *c, struct record_event *out)
{
    struct event *e = &out->event;
    size_t whole = cursor_u32(c), own = cursor_u32(c);
    e->id = cursor_u64(c);
    e->received_ms = (int64_t)cursor_u64(c);
    if (c->failed || left(c) < sizeof(e->body_hash))
        return false;
    memcpy(e->body_hash, c->p, sizeof(e->body_hash));
    c->p += sizeof(e->body_hash);
    out->dedupe_window_ms = (int64_t)cursor_u64(c);
    e->flags = cursor_u32(c);
    out->delivery_count = cursor_u32(c);
    out->key_count = cursor_u32(c);
    (void)cursor_u32(c);
    str *const strings[EVENT_STRINGS] = {&e->source,  &e->provider,     &e->type,   &e->dedupe_key,
                                         &e->verdict, &e->verdict_text, &e->method, &e->target,
                                         &e->peer,    &e->head,         &e->trace,  &e->body};
    size_t n[EVENT_STRINGS], sum = RECORD_EVENT_HEAD;
    for (int i = 0; i < EVENT_STRINGS; i++)
        sum += n[i] = cursor_u32(c);
    if (c->failed || sum != own || whole < own || whole > EVENT_BYTES_MAX ||
        left(c) < own - RECORD_EVENT_HEAD)
        return false;
    for (int i = 0; i < EVENT_STRINGS; i++) {
        *strings[i] = str_of(c->p, n[i]);
        c->p += n[i];
    }
    return true;
}

bool record_event_read(str bytes, struct event *out)
{
    struct record_event e = {0};
    struct cursor c = cursor_of(bytes);
    if (!read_entry(&c, &e))
        return false;
    *out = e.event;
    return true;
}

bool record_next_event(struct record *r, struct record_event *out)
{
    if (r->events == 0 || r->c.failed)
        return false;
    struct cursor c = r->c;
    size_t whole = cursor_u32(&c);
    if (c.failed || whole < RECORD_EVENT_HEAD || whole > left(&r->c)) {
        r->c.failed = true;
        return false;
    }
    struct cursor entry = cursor_of(str_of(r->c.p, whole));
    *out = (struct record_event){0};
    if (!read_entry(&entry, out)) {
        r->c.failed = true;
        return false;
    }
    out->rest = entry;
    r->c.p += whole;
    r->events--;
    return true;
}

bool record_next_delivery(struct record_event *e, struct new_delivery *out)
{
    struct cursor *c = &e->rest;
    if (e->delivery_count == 0)
        return false;
    out->id = cursor_u64(c);
    out->order_key = cursor_u64(c);
    out->next_ms = (int64_t)cursor_u64(c);
    uint32_t flags = cursor_u32(c);
    out->claimed = (flags & IS_CLAIMED) != 0;
    out->listed = (flags & IS_LISTED) != 0;
    out->supersedes = (flags & SUPERSEDES) != 0;
    out->destination = cursor_blob(c);
    out->route = cursor_blob(c);
    if (c->failed)
        return false;
    e->delivery_count--;
    return true;
}

bool record_next_key(struct record_event *e, struct event_key *out)
{
    struct cursor *c = &e->rest;
    if (e->key_count == 0 || c->failed)
        return false;
    assert(e->delivery_count == 0);
    out->window_ms = (int64_t)cursor_u64(c);
    if (c->failed || left(c) < sizeof(out->hash))
        return false;
    memcpy(out->hash, c->p, sizeof(out->hash));
    c->p += sizeof(out->hash);
    out->scope = cursor_blob(c);
    out->key = cursor_blob(c);
    if (c->failed)
        return false;
    e->key_count--;
    return true;
}

static void read_attempt(struct cursor *c, struct attempt *a)
{
    a->id = cursor_u64(c);
    a->result = (enum attempt_result)cursor_u32(c);
    if ((unsigned)a->result > ATTEMPT_LOST)
        c->failed = true;
    a->started_ms = (int64_t)cursor_u64(c);
    a->duration_us = (int64_t)cursor_u64(c);
    a->status = (int)cursor_u32(c);
    a->error_class = cursor_blob(c);
    a->summary = cursor_blob(c);
    a->request = cursor_blob(c);
    a->response = cursor_blob(c);
    a->timing = cursor_blob(c);
}

bool record_next_settlement(struct record *r, struct settlement *out)
{
    struct cursor *c = &r->c;
    if (r->settlements == 0 || c->failed)
        return false;
    assert(r->events == 0);
    *out = (struct settlement){0};
    out->delivery_id = cursor_u64(c);
    out->event_id = cursor_u64(c);
    out->state = (enum delivery_state)cursor_u32(c);
    if ((unsigned)out->state >= DELIVERY_STATE_COUNT)
        c->failed = true;
    out->attempts = cursor_u32(c);
    out->next_ms = (int64_t)cursor_u64(c);
    out->settled_ms = (int64_t)cursor_u64(c);
    out->reason = cursor_blob(c);
    out->attempt.delivery_id = out->delivery_id;
    out->attempt.number = cursor_u32(c);
    if (out->attempt.number)
        read_attempt(c, &out->attempt);
    if (c->failed)
        return false;
    r->settlements--;
    return true;
}

bool record_next_rejection(struct record *r, struct rejection *out)
{
    struct cursor *c = &r->c;
    if (r->rejections == 0 || c->failed)
        return false;
    assert(r->events == 0 && r->settlements == 0);
    out->id = cursor_u64(c);
    out->received_ms = (int64_t)cursor_u64(c);
    out->source = cursor_blob(c);
    out->verdict = cursor_blob(c);
    out->verdict_text = cursor_blob(c);
    out->method = cursor_blob(c);
    out->target = cursor_blob(c);
    out->peer = cursor_blob(c);
    out->head = cursor_blob(c);
    out->body = cursor_blob(c);
    if (c->failed)
        return false;
    r->rejections--;
    return true;
}

bool record_next_object(struct record *r, struct object_change *out)
{
    struct cursor *c = &r->c;
    if (r->objects == 0 || c->failed)
        return false;
    assert(r->events == 0 && r->settlements == 0 && r->rejections == 0);
    struct object *o = &out->object;
    *out = (struct object_change){.op = (enum object_op)cursor_u32(c)};
    if ((unsigned)out->op > OBJECT_DELETE)
        c->failed = true;
    o->version = cursor_u64(c);
    o->sequence = cursor_u64(c);
    o->created_ms = (int64_t)cursor_u64(c);
    o->updated_ms = (int64_t)cursor_u64(c);
    o->expires_ms = (int64_t)cursor_u64(c);
    o->kind = cursor_blob(c);
    o->id = cursor_blob(c);
    o->parent = cursor_blob(c);
    o->name = cursor_blob(c);
    o->doc = cursor_blob(c);
    if (c->failed)
        return false;
    r->objects--;
    return true;
}

bool record_is_done(const struct record *r)
{
    return !r->c.failed && r->events == 0 && r->settlements == 0 && r->rejections == 0 &&
           r->objects == 0;
}
