/* send_quota.c -- the limits of an application on what it may send: asked before a message is
 * planned. Refusals are 503 with Retry-After, never 429: clients of this contract try again after
 * the one and give up after the other. */
#include "api/send.h"

#define COUNT_PAGE 1000

/* Deliveries of an endpoint that wait or are under way, up to most. */
static enum err count_endpoint(struct send_call *s, str endpoint, int64_t most, int64_t *count,
                               struct reason *why)
{
    static const enum delivery_state open[] = {DELIVERY_PENDING, DELIVERY_CLAIMED};
    struct arena a;
    enum err err = ERR_OK;
    arena_init(&a, 16u << 20);
    for (size_t i = 0; err == ERR_OK && i < ARRAY_LEN(open); i++) {
        struct delivery_filter f = {
            .destination = endpoint, .state = (int)open[i], .listed = true, .limit = COUNT_PAGE};
        do {
            struct delivery_list page = {0};
            arena_reset(&a);
            err = store_deliveries(send_api(s)->reader, &f, &a, &page, why);
            *count += (int64_t)page.count;
            f.before = page.next;
        } while (err == ERR_OK && f.before && *count < most);
    }
    arena_release(&a);
    return err;
}

static enum err count_waiting(struct send_call *s, int64_t most, int64_t *count, struct reason *why)
{
    struct object_filter f = {.kind = STR(ENDPOINT_KIND), .parent = s->app.id, .limit = 250};
    struct object_list page = {.more = true};
    enum err err = ERR_OK;
    *count = 0;
    while (err == ERR_OK && page.more && *count < most) {
        err = store_objects(send_api(s)->reader, &f, s->a, &page, why);
        for (size_t i = 0; err == ERR_OK && i < page.count && *count < most; i++)
            err = count_endpoint(s, page.v[i].id, most, count, why);
        if (page.count)
            f.after = page.v[page.count - 1].id;
    }
    return err;
}

static void refuse(struct send_call *s, enum allowance_verdict v, int64_t retry_s)
{
    bool messages = v == ALLOWANCE_MESSAGES;
    http_reply_retry(s->c->x, 503, messages ? "message_limit_reached" : "pending_limit_reached",
                     messages ? STR("The application has sent as many messages as it may in this "
                                    "period.")
                              : STR("As many deliveries of the application wait as may wait."),
                     (unsigned)retry_s);
}

/* What the allowance asks for, from the store. */
static enum err count(struct send_call *s, struct allowance *a, const struct allowance_ask *ask,
                      struct reason *why)
{
    int64_t found = 0;
    enum err err;
    if (ask->messages) {
        err = store_count_listed(send_api(s)->reader, s->app.id, ask->since_ms, ask->most, &found,
                                 why);
        if (err == ERR_OK)
            allowance_count_messages(a, ask->since_ms, found, s->now_ms);
        return err;
    }
    err = count_waiting(s, allowance_pending_limit(a), &found, why);
    if (err == ERR_OK)
        allowance_count(a, found, s->now_ms);
    return err;
}

bool send_quota_take(struct send_call *s)
{
    struct allowance *a = directory_allowance(send_api(s)->core->directory, s->app.id);
    struct allowance_ask ask;
    struct reason why = {0};
    int64_t retry_s = 1;
    enum err err = ERR_OK;
    if (!a)
        return true; /* deleted meanwhile: then nobody is told of the message */
    enum allowance_verdict v = allowance_take(a, s->now_ms, &retry_s, &ask);
    for (int counts = 0; counts < 2 && err == ERR_OK && (ask.messages || ask.pending); counts++) {
        err = count(s, a, &ask, &why);
        if (err == ERR_OK)
            v = allowance_take(a, s->now_ms, &retry_s, &ask);
    }
    allowance_unref(a);
    if (err != ERR_OK)
        send_failed(s, err, &why);
    else if (v != ALLOWANCE_OK)
        refuse(s, v, retry_s);
    return err == ERR_OK && v == ALLOWANCE_OK;
}
