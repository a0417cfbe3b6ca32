/* secrets.c -- each source's secrets without any of them: their fingerprints, when they were last
 * used, when they end, and whether one has become idle beside another. */
#include "api/call.h"
#include "engine/secret_book.h"

static void write_time(struct json_writer *w, const char *key, int64_t ms)
{
    char text[CLOCK_TEXT_MAX];
    json_pair(w, key, ms > 0 ? clock_format(ms, text) : STR_NONE);
}

static void write_one(struct api_call *c, const struct source_config *s, size_t index, str secret,
                      bool learned)
{
    struct secret_use *u = secret_book_use(c->api->core->secrets, s->name, secret);
    int64_t now_ms = clock_wall_ms(c->api->core->clock);
    size_t count = learned ? 1 : s->verifier.secret_count;
    if (!u)
        return;
    json_open(&c->json, '{');
    json_pair(&c->json, "source", s->name);
    json_pair(&c->json, "provider", provider_id(s->provider));
    json_pair_int(&c->json, "position", (int64_t)index + 1);
    json_pair(&c->json, "fingerprint", str_from_cstr(u->fingerprint));
    if (!learned && s->verifier.secret_ids && s->verifier.secret_ids[index].n)
        json_pair(&c->json, "id", s->verifier.secret_ids[index]);
    json_pair(&c->json, "origin", learned ? STR("learned") : STR("configured"));
    write_time(&c->json, "since", u->since_ms);
    write_time(&c->json, "last_used", atomic_load(&u->last_used_ms));
    write_time(&c->json, "not_after", learned ? 0 : s->secrets_until_ms[index]);
    if (count > 1 && secret_is_idle(u, now_ms))
        json_pair(
            &c->json, "warning",
            STR("unused for a week: take it out when the sender has stopped signing with it"));
    json_close(&c->json, '}');
}

void api_secrets(struct api_call *c)
{
    struct config *config = engine_config(c->api->options.engine);
    json_open(&c->json, '{');
    json_key(&c->json, "secrets");
    json_open(&c->json, '[');
    for (size_t i = 0; i < config->source_count; i++) {
        const struct source_config *s = config->sources[i];
        struct secret learned = {0};
        for (size_t k = 0; k < s->verifier.secret_count; k++)
            write_one(c, s, k, s->verifier.secrets[k], false);
        if (s->verifier.may_learn && secret_book_learned(c->api->core->secrets, s->name, &learned))
            write_one(c, s, 0, secret_str(&learned), true);
        secret_release(&learned);
    }
    json_close(&c->json, ']');
    json_close(&c->json, '}');
    api_send(c, 200);
    config_unref(config);
}

void api_secret_forget(struct api_call *c)
{
    struct reason why;
    str source = router_param(&c->match, STR("source"));
    enum err e = secret_book_forget(c->api->core->secrets, source, &why);
    if (e != ERR_OK) {
        api_fail(c, e, &why);
        return;
    }
    atomic_fetch_add(&c->api->core->generation, 1); /* verifiers are made anew, without it */
    json_open(&c->json, '{');
    json_pair(&c->json, "source", source);
    json_pair_bool(&c->json, "forgotten", true);
    json_close(&c->json, '}');
    api_send(c, 200);
}
