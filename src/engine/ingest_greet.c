/* ingest_greet.c -- what a verifier made of a handshake becomes its answer. */
#include "engine/ingest_greet.h"

#include "base/log.h"
#include "engine/keyring.h"
#include "engine/secret_book.h"
#include "engine/websub.h"

#define RETRY_AFTER_S 5

static void answer_greeting(struct http_exchange *x, const struct greeting *g)
{
    struct http_field fields[1 + GREETING_FIELDS_MAX];
    size_t count = 0;
    if (g->content_type.n)
        fields[count++] = (struct http_field){STR("Content-Type"), g->content_type};
    for (size_t i = 0; i < g->field_count; i++)
        fields[count++] = g->fields[i];
    http_reply(x, g->status, fields, count, g->body);
}

/* A secret that the provider gives is on disk before it is told so. */
static bool keep_learned(struct engine_core *core, struct http_exchange *x,
                         const struct source_config *s, str secret)
{
    struct reason why = {.text = ""};
    enum err e = core->secrets ? secret_book_learn(core->secrets, s->name, secret, &why)
                               : fail(&why, ERR_IO, "there is no place to keep it");
    if (e == ERR_OK) {
        log_event(LOG_INFO, "a source has learned its secret from the provider",
                  LOG_F("source", s->name), LOG_F("peer", x->req.peer));
        atomic_fetch_add(&core->generation, 1); /* every loop makes its verifiers anew */
        return true;
    }
    log_event(LOG_WARN, "a secret was not learned", LOG_F("source", s->name),
              LOG_F("peer", x->req.peer), LOG_F("reason", str_from_cstr(why.text)));
    if (e == ERR_CONFLICT)
        http_reply_error(x, 409, "secret_known",
                         STR("This source has learned another secret already; `gaff secrets "
                             "forget` opens it for a new one."));
    else
        http_reply_retry(x, 503, "not_stored", STR("The secret could not be stored."),
                         RETRY_AFTER_S);
    return false;
}

bool ingest_answer_hub(struct engine_core *core, struct http_exchange *x,
                       const struct source_config *s)
{
    static const struct http_field plain[] = {{{"Content-Type", 12}, {"text/plain", 10}},
                                              {{"X-Content-Type-Options", 22}, {"nosniff", 7}}};
    struct websub_word word = {.mode = http_request_query(&x->req, WEBSUB_MODE)};
    str challenge = http_request_query(&x->req, WEBSUB_CHALLENGE);
    if (!word.mode.p || !core->websub || !str_eq(x->req.method, STR("GET")))
        return false;
    if (str_eq(word.mode, WEBSUB_MODE_DENIED))
        challenge = STR("");
    else if (!challenge.n || challenge.n > WEBSUB_CHALLENGE_MAX)
        return false;
    word.topic = http_request_query(&x->req, WEBSUB_TOPIC);
    word.reason = http_request_query(&x->req, WEBSUB_REASON);
    if (!str_to_i64(http_request_query(&x->req, WEBSUB_LEASE), &word.lease_s))
        word.lease_s = 0;
    if (!word.topic.n || !websub_told(core->websub, s->name, &word))
        return false;
    METRIC_ADD(&core->metrics, handshakes, 1);
    http_reply(x, 200, plain, ARRAY_LEN(plain), challenge);
    return true;
}

void ingest_greet(struct engine_core *core, struct http_exchange *x, const struct source_config *s,
                  const struct greeting *g)
{
    METRIC_ADD(&core->metrics, handshakes, 1);
    if (s->subscribe.topic.n) { /* ingest_answer_hub has said yes to what it may */
        http_reply_error(x, 404, "not_asked_for",
                         STR("No subscription to this topic was asked for here."));
        return;
    }
    if (g->learn.p && !keep_learned(core, x, s, g->learn))
        return;
    if (g->fetch_url.p &&
        (!core->keyring || !keyring_visit(core->keyring, g->fetch_url, s->name))) {
        http_reply_retry(x, 503, "busy", STR("The confirmation cannot be sent now."),
                         RETRY_AFTER_S);
        return;
    }
    answer_greeting(x, g);
}
