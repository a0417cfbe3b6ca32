/* config_source.c -- `sources:`: who sends webhooks, how each proves it, where it posts and what
 * it is answered. A verifier is made of each once, so that a secret of the wrong shape is found at
 * load and not at the first webhook. */
#include "base/clock.h"
#include "base/codec.h"
#include "base/rand.h"
#include "engine/config_read.h"
#include "engine/websub_words.h"
#include "http/address.h"
#include "http/client.h"

#include <ctype.h>

#define BODY_BYTES_MAX (INT64_C(25) << 20)
#define RESPOND_BODY_MAX 65536
#define CHANNEL_BYTES 16
#define CHANNEL_NAME_MIN 22 /* CHANNEL_BYTES in base64url */
#define DAY_MS INT64_C(86400000)

static const char *const source_keys[] = {"provider", "verify",    "secret",    "secrets",
                                          "path",     "methods",   "dedupe",    "body_max",
                                          "respond",  "insecure",  "tolerance", "keep_rejected",
                                          "options",  "ack",       "cron",      "allow_from",
                                          "channel",  "subscribe", NULL};

/* Everything about the source being read. */
struct reading {
    struct config_reader *r;
    struct source_config *source;
    const struct yaml *node;
    size_t errors; /* at the beginning */
};

/* "push-ci" -> "PUSH_CI_SECRET", the example of a message */
static const char *secret_variable(str name, char *out, size_t n)
{
    size_t at = 0;
    for (; at < name.n && at + 8 < n; at++)
        out[at] = name.p[at] == '-' ? '_' : (char)toupper((unsigned char)name.p[at]);
    memcpy(out + at, "_SECRET", 8);
    return out;
}

/* --- provider -------------------------------------------------------------------------------- */

/* A scheme of the source's own has no id, so that it stands in nobody's way. */
static const struct provider *read_inline(struct reading *s, const struct yaml *verify)
{
    static const char *const refused[] = {"id", "title", "verify"};
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        const struct yaml *node = yaml_get(verify, str_from_cstr(refused[i]));
        if (node) {
            problem_at_key(s->r->problems, node,
                           "verify: of a source holds the scheme alone, without \"%s\"; a scheme "
                           "for several sources goes into a file in presets.d",
                           refused[i]);
            return NULL;
        }
    }
    return provider_table_add(s->r->config->providers, verify, s->r->problems);
}

/* "github, gitlab, slack and 9 more": what a provider can be. */
static const char *known_providers(struct reading *s)
{
    str *ids;
    struct buf text;
    buf_init(&text, 256);
    size_t count = provider_ids(s->r->config->providers, s->r->arena, &ids), i = 0;
    for (; i < count && text.len < 160; i++)
        buf_printf(&text, "%s" STR_FMT, i ? ", " : "", STR_ARG(ids[i]));
    if (i < count)
        buf_printf(&text, " and %zu more (gaff providers lists them)", count - i);
    const char *out = arena_cstr(s->r->arena, buf_str(&text));
    buf_release(&text);
    return out;
}

static void find_provider(struct reading *s, const struct yaml *node)
{
    str id;
    char value[VALUE_TEXT_MAX];
    const char *nearest = NULL;
    if (!read_str(s->r->problems, node, &id))
        return;
    s->source->provider = provider_find(s->r->config->providers, id, &nearest);
    if (s->source->provider)
        return;
    if (nearest)
        problem_at(s->r->problems, node, "unknown provider %s; did you mean \"%s\"?",
                   value_text(node, value), nearest);
    else
        problem_at(s->r->problems, node, "unknown provider %s; known: %s", value_text(node, value),
                   known_providers(s));
}

static void read_provider(struct reading *s)
{
    const struct yaml *node = yaml_get(s->node, STR("provider"));
    const struct yaml *verify = yaml_get(s->node, STR("verify"));
    if (node && verify)
        problem_at_key(s->r->problems, verify,
                       "a source has either a provider or a verify: scheme of its own, not both");
    else if (verify)
        s->source->provider = read_inline(s, verify);
    else if (node)
        find_provider(s, node);
    else
        problem_at_key(s->r->problems, s->node,
                       "source \"" STR_FMT "\" has no provider; write who sends, as provider: "
                       "github, or provider: none to accept anything; known: %s",
                       STR_ARG(s->source->name), known_providers(s));
    s->source->verifier.provider = s->source->provider;
}

/* --- secrets --------------------------------------------------------------------------------- */

/* False when the secret is not to be used any more. */
static bool read_not_after(struct reading *s, const struct yaml *node, int64_t *ends_ms)
{
    struct config *c = s->r->config;
    int64_t until;
    char value[VALUE_TEXT_MAX];
    if (!node)
        return true;
    if (node->kind != YAML_SCALAR || !clock_parse(node->scalar, &until)) {
        problem_at(s->r->problems, node, "expected a time, as 2027-01-31T00:00:00Z, found %s",
                   node->kind == YAML_SCALAR ? value_text(node, value) : "no scalar");
        return false;
    }
    if (until <= c->loaded_ms) {
        problem_warn(s->r->problems, node, "this secret ended at %s and is not used any more",
                     value_text(node, value));
        return false;
    }
    *ends_ms = until;
    if (!c->expires_ms || until < c->expires_ms)
        c->expires_ms = until;
    return true;
}

static void check_secret(struct reading *s, const struct yaml *node, str secret)
{
    char name[CONFIG_NAME_MAX + 16];
    secret_variable(s->source->name, name, sizeof(name));
    if (!secret.n)
        problem_at(s->r->problems, node, "the secret is empty");
    else if (secret.n < 8)
        problem_warn(s->r->problems, node, "the secret is shorter than 8 bytes");
    if (!node->first && secret.n)
        problem_warn(s->r->problems, node,
                     "the secret stands in the file itself; write \"${env:%s}\" or "
                     "\"${file:PATH}\" to keep it out of copies and commits",
                     name);
}

static bool read_secret(struct reading *s, const struct yaml *node, str *out, str *id,
                        int64_t *ends_ms)
{
    static const char *const keys[] = {"value", "not_after", "id", NULL};
    const struct yaml *value = node;
    bool live = true;
    if (node->kind == YAML_MAP) {
        read_keys(s->r->problems, node, keys);
        value = yaml_get(node, STR("value"));
        live = read_not_after(s, yaml_get(node, STR("not_after")), ends_ms);
        read_str(s->r->problems, yaml_get(node, STR("id")), id);
        if (!value) {
            problem_at(s->r->problems, node, "a secret needs a value");
            return false;
        }
    }
    if (!read_str(s->r->problems, value, out))
        return false;
    check_secret(s, value, *out);
    return live;
}

static void report_missing_secret(struct reading *s)
{
    char name[CONFIG_NAME_MAX + 16];
    secret_variable(s->source->name, name, sizeof(name));
    problem_at_key(s->r->problems, s->node,
                   "source \"" STR_FMT "\" has no secret; write secrets: [\"${env:%s}\"] and set "
                   "%s to the secret that " STR_FMT " signs with",
                   STR_ARG(s->source->name), name, name,
                   STR_ARG(provider_title(s->source->provider)));
}

static void read_secrets(struct reading *s)
{
    struct problems *p = s->r->problems;
    const struct yaml *one = yaml_get(s->node, STR("secret"));
    const struct yaml *list = yaml_get(s->node, STR("secrets"));
    bool needed = s->source->provider && provider_needs_secret(s->source->provider);
    if (one && list)
        problem_at_key(p, one, "write either secret or secrets, not both");
    if (list && list->kind != YAML_LIST) {
        problem_at(p, list, "expected a list, as secrets: [\"${env:NAME}\"]; one alone is secret:");
        return;
    }
    if (!one && (!list || !list->count)) {
        s->source->verifier.may_learn = needed && provider_learns(s->source->provider);
        if (needed && !s->source->verifier.may_learn)
            report_missing_secret(s);
        return;
    }
    if (s->source->provider && !needed) {
        problem_at_key(p, one ? one : list,
                       "provider \"" STR_FMT "\" uses no secret; take it out, or choose a provider "
                       "that checks it",
                       STR_ARG(provider_id(s->source->provider)));
        return;
    }
    size_t max = one ? 1 : list->count, n = 0, errors = p->errors;
    str *secrets = CONFIG_ARRAY(s->r, str, max), *ids = CONFIG_ARRAY(s->r, str, max);
    int64_t *ends = CONFIG_ARRAY(s->r, int64_t, max);
    for (const struct yaml *item = one ? one : list->first; item; item = one ? NULL : item->next)
        if (read_secret(s, item, &secrets[n], &ids[n], &ends[n]))
            n++;
    if (n > VERIFY_SECRETS_MAX)
        problem_at(p, list, "at most %d secrets at once", VERIFY_SECRETS_MAX);
    if (!n && p->errors == errors)
        problem_at_key(p, one ? one : list, "every secret of source \"" STR_FMT "\" has ended",
                       STR_ARG(s->source->name));
    s->source->verifier.secrets = secrets;
    s->source->verifier.secret_ids = ids;
    s->source->secrets_until_ms = ends;
    s->source->verifier.secret_count = n;
}

/* --- place ----------------------------------------------------------------------------------- */

static void read_path(struct reading *s)
{
    const struct yaml *node = yaml_get(s->node, STR("path"));
    struct source_config *source = s->source;
    char value[VALUE_TEXT_MAX];
    str path;
    source->path = arena_printf(s->r->arena, "/in/" STR_FMT, STR_ARG(source->name));
    if (!node || !read_str(s->r->problems, node, &path))
        return;
    source->has_params = str_find(path, '{') < path.n;
    bool ok = str_starts(path, STR("/")) && path.n <= 1024;
    for (size_t i = 0; ok && i < path.n; i++)
        ok = path.p[i] > ' ' && path.p[i] < 0x7f && !memchr("?#\"<>\\", path.p[i], 6);
    if (ok)
        source->path = path;
    else
        problem_at(s->r->problems, node,
                   "expected a path that begins with '/', without blanks, '?' or '#', found %s",
                   value_text(node, value));
}

/* Who knows the path may read what comes in by it. */
static void read_channel(struct reading *s)
{
    const struct yaml *node = yaml_get(s->node, STR("channel"));
    uint8_t bytes[CHANNEL_BYTES];
    char name[BASE64_LEN(CHANNEL_BYTES)];
    read_bool(s->r->problems, node, &s->source->channel);
    if (!s->source->channel)
        return;
    str last = s->source->path;
    for (str rest = last; rest.p;)
        last = str_cut(&rest, '/');
    if (last.n >= CHANNEL_NAME_MIN && !s->source->has_params)
        return;
    rand_bytes(bytes, sizeof(bytes));
    size_t n = base64url_encode(bytes, sizeof(bytes), name);
    problem_at(s->r->problems, node,
               "who knows the path of a channel reads all that comes in: give it a last part of at "
               "least %d characters that nobody can guess, as path: /in/%.*s",
               CHANNEL_NAME_MIN, (int)n, name);
}

static bool is_named_before(const struct yaml *list, const struct yaml *item)
{
    for (const struct yaml *one = list->first; one != item; one = one->next)
        if (str_eq(one->scalar, item->scalar))
            return true;
    return false;
}

static void read_methods(struct reading *s)
{
    static const char *const known[] = {"POST", "GET", "PUT", "PATCH", "DELETE", NULL};
    const struct yaml *node = yaml_get(s->node, STR("methods"));
    struct source_config *source = s->source;
    struct problems *p = s->r->problems;
    str *methods = CONFIG_ARRAY(s->r, str, 1);
    size_t count = 1;
    methods[0] = STR("POST");
    source->methods = methods;
    source->method_count = count;
    if (!node || !read_str_list(p, s->r->arena, node, &methods, &count))
        return;
    size_t errors = p->errors;
    if (!count)
        problem_at(p, node, "expected at least one method, as [POST]");
    for (const struct yaml *item = node->first; item; item = item->next) {
        int word;
        if (read_enum(p, item, known, &word) && is_named_before(node, item))
            problem_at(p, item, "%s is named twice", known[word]);
    }
    if (p->errors == errors) {
        source->methods = methods;
        source->method_count = count;
    }
}

/* --- the rest -------------------------------------------------------------------------------- */

static void read_dedupe(struct reading *s)
{
    static const char *const keys[] = {"window", NULL};
    const struct yaml *node = yaml_get(s->node, STR("dedupe"));
    s->source->dedupe_window_ms = DAY_MS;
    if (!node)
        return;
    if (node->kind == YAML_SCALAR && str_eq(node->scalar, STR("off")))
        s->source->dedupe_window_ms = 0;
    else if (node->kind == YAML_SCALAR)
        problem_at(s->r->problems, node, "expected off, or a mapping as { window: 24h }");
    else if (read_keys(s->r->problems, node, keys))
        read_duration(s->r->problems, yaml_get(node, STR("window")), 1000, 366 * DAY_MS,
                      &s->source->dedupe_window_ms);
}

static bool is_token(str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!isalnum((unsigned char)s.p[i]) && !memchr("!#$%&'*+-.^_`|~", s.p[i], 15))
            return false;
    return s.n > 0;
}

static bool is_field_value(str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if ((c < ' ' && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

static void read_respond_field(struct reading *s, const struct yaml *node, struct http_field *field)
{
    static const str ours[] = {
        {"Content-Length", 14}, {"Transfer-Encoding", 17}, {"Connection", 10}, {"Date", 4}};
    struct problems *p = s->r->problems;
    field->name = node->key;
    if (!is_token(node->key))
        problem_at_key(p, node, "\"" STR_FMT "\" is no name of a header field",
                       STR_ARG(str_slice(node->key, 0, 60)));
    for (size_t i = 0; i < ARRAY_LEN(ours); i++)
        if (str_eq_nocase(node->key, ours[i]))
            problem_at_key(p, node, STR_FMT " is set by the server itself", STR_ARG(node->key));
    if (read_str(p, node, &field->value) && !is_field_value(field->value))
        problem_at(p, node, "the value of a header field has no line breaks or control bytes");
}

static void read_respond_fields(struct reading *s, const struct yaml *node)
{
    struct source_config *source = s->source;
    if (node->kind != YAML_MAP) {
        problem_at(s->r->problems, node, "expected a mapping of header fields");
        return;
    }
    source->respond_fields = CONFIG_ARRAY(s->r, struct http_field, node->count);
    for (const struct yaml *one = node->first; one; one = one->next)
        read_respond_field(s, one, &source->respond_fields[source->respond_field_count++]);
}

static void read_respond(struct reading *s)
{
    static const char *const keys[] = {"status", "headers", "body", NULL};
    const struct yaml *node = yaml_get(s->node, STR("respond"));
    struct source_config *source = s->source;
    int64_t status = 200;
    if (!node || (!read_keys(s->r->problems, node, keys) && node->kind != YAML_MAP))
        return;
    read_int(s->r->problems, yaml_get(node, STR("status")), 200, 299, &status);
    source->respond_set = true;
    source->respond_status = (int)status;
    const struct yaml *headers = yaml_get(node, STR("headers"));
    if (headers)
        read_respond_fields(s, headers);
    const struct yaml *body = yaml_get(node, STR("body"));
    source->respond_body = STR("");
    if (!read_str(s->r->problems, body, &source->respond_body))
        return;
    if (source->respond_body.n > RESPOND_BODY_MAX)
        problem_at(s->r->problems, body, "a response body has at most %d bytes", RESPOND_BODY_MAX);
    if (source->respond_body.n && status == 204)
        problem_at(s->r->problems, body, "an answer of status 204 has no body");
}

static void read_options(struct reading *s)
{
    const struct yaml *node = yaml_get(s->node, STR("options"));
    if (!node)
        return;
    if (node->kind != YAML_MAP) {
        problem_at(s->r->problems, node, "expected a mapping of names to strings");
        return;
    }
    str *keys = CONFIG_ARRAY(s->r, str, node->count);
    str *values = CONFIG_ARRAY(s->r, str, node->count);
    size_t n = 0;
    for (const struct yaml *one = node->first; one; one = one->next) {
        keys[n] = one->key;
        if (read_str(s->r->problems, one, &values[n]))
            n++;
    }
    s->source->verifier.config_keys = keys;
    s->source->verifier.config_values = values;
    s->source->verifier.config_count = n;
}

/* The topic becomes the provider's option, so that its file answers the hub for it alone. */
static void put_topic(struct reading *s, const struct yaml *node)
{
    struct verifier_options *v = &s->source->verifier;
    size_t n = v->config_count;
    bool known = s->source->subscribe.possible;
    for (size_t i = 0; i < n; i++)
        if (str_eq(v->config_keys[i], STR("topic")))
            problem_at(s->r->problems, node, "the topic stands in subscribe already");
    if (s->source->provider && !known)
        problem_at_key(s->r->problems, node,
                       "subscribe is for provider: websub, or one made of it");
    if (!known)
        return;
    str *keys = CONFIG_ARRAY(s->r, str, n + 1), *values = CONFIG_ARRAY(s->r, str, n + 1);
    for (size_t i = 0; i < n; i++) {
        keys[i] = v->config_keys[i];
        values[i] = v->config_values[i];
    }
    keys[n] = STR("topic");
    values[n] = s->source->subscribe.topic;
    v->config_keys = keys;
    v->config_values = values;
    v->config_count = n + 1;
}

static void read_subscribe_url(struct reading *s, const struct yaml *map, const char *key, str *out)
{
    const struct yaml *node = yaml_get(map, str_from_cstr(key));
    struct reason why = {.text = ""};
    if (!node)
        problem_at(s->r->problems, map, "\"%s\" is missing", key);
    else if (read_str(s->r->problems, node, out) &&
             (out->n > WEBSUB_URL_MAX || http_url_check(*out, OUTBOUND_PRIVATE, &why) != ERR_OK))
        problem_at(s->r->problems, node, "%s",
                   why.text[0] ? why.text : "the URL is longer than 2048 bytes");
}

static bool has_topics(const struct reading *s)
{
    size_t count = 0;
    bool known = false;
    const struct provider_option *all =
        s->source->provider ? provider_options(s->source->provider, &count) : NULL;
    for (size_t i = 0; i < count; i++)
        known = known || str_eq(all[i].name, STR("topic"));
    return known;
}

static void read_subscribe(struct reading *s)
{
    static const char *const keys[] = {"hub", "topic", "lease", NULL};
    const struct yaml *node = yaml_get(s->node, STR("subscribe"));
    struct problems *p = s->r->problems;
    struct subscribe_config *out = &s->source->subscribe;
    out->possible = has_topics(s);
    if (!node || !read_keys(p, node, keys))
        return;
    out->lease_ms = 10 * DAY_MS;
    read_subscribe_url(s, node, "hub", &out->hub);
    read_subscribe_url(s, node, "topic", &out->topic);
    read_duration(p, yaml_get(node, STR("lease")), 2000, 366 * DAY_MS, &out->lease_ms);
    out->callback = arena_printf(s->r->arena, STR_FMT STR_FMT, STR_ARG(s->r->config->public_url),
                                 STR_ARG(s->source->path));
    if (!s->r->config->public_url.n)
        problem_at_key(p, node, "subscribe needs public_url: the hub must know where to send");
    if (s->source->has_params)
        problem_at_key(p, node, "a path with {parameters} is no address for a hub");
    if (s->source->verifier.secret_count != 1 ||
        s->source->verifier.secrets[0].n > WEBSUB_SECRET_MAX)
        problem_at_key(p, node,
                       "subscribe needs one secret of at most 199 bytes, which the hub is "
                       "given to sign with");
    put_topic(s, node);
}

static void read_limits(struct reading *s)
{
    struct config_reader *r = s->r;
    struct source_config *source = s->source;
    source->body_bytes_max = r->config->limits.body_bytes_max;
    source->keep_rejected = true;
    read_size(r->problems, yaml_get(s->node, STR("body_max")), 1, BODY_BYTES_MAX,
              &source->body_bytes_max);
    read_bool(r->problems, yaml_get(s->node, STR("keep_rejected")), &source->keep_rejected);
    read_bool(r->problems, yaml_get(s->node, STR("insecure")), &source->insecure);
    read_duration(r->problems, yaml_get(s->node, STR("tolerance")), 1000, 366 * DAY_MS,
                  &source->verifier.tolerance_ms);
    struct net *nets = NULL;
    size_t count = 0;
    config_nets_read(r, yaml_get(s->node, STR("allow_from")), &nets, &count);
    source->verifier.allow_from = nets;
    source->verifier.allow_count = count;
    source->verifier.public_url = r->config->public_url;
}

/* A problem of a reference was reported already, and its text is not the secret. */
static bool is_worth_trying(const struct reading *s)
{
    return s->source->provider && s->r->problems->errors == s->errors;
}

static bool has_failed_reference(const struct yaml *node)
{
    if (node->kind == YAML_SCALAR)
        return node->first && node->first->scalar.p == node->scalar.p;
    for (const struct yaml *one = node->first; one; one = one->next)
        if (has_failed_reference(one))
            return true;
    return false;
}

static struct source_config *read_source(struct config_reader *r, const struct yaml *node)
{
    struct source_config *source = CONFIG_NEW(r, struct source_config);
    struct reading s = {r, source, node, r->problems->errors};
    source->name = node->key;
    source->place = node;
    config_name_check(r, node, "source");
    if (node->kind == YAML_MAP && config_cron_read(r, node, source))
        return source;
    read_keys(r->problems, node, source_keys);
    if (node->kind != YAML_MAP)
        return source;
    read_provider(&s);
    read_secrets(&s);
    read_path(&s);
    read_channel(&s);
    read_methods(&s);
    read_dedupe(&s);
    read_respond(&s);
    config_ack_read(r, yaml_get(node, STR("ack")), source);
    read_options(&s);
    read_subscribe(&s);
    read_limits(&s);
    if (is_worth_trying(&s) && !has_failed_reference(node))
        verifier_free(verifier_new(&source->verifier, node, r->problems));
    return source;
}

void config_sources_read(struct config_reader *r, const struct yaml *node)
{
    struct config *c = r->config;
    if (!node)
        return;
    if (node->kind != YAML_MAP || node->count > CONFIG_OBJECTS_MAX) {
        problem_at(r->problems, node, "expected a mapping of at most %u names to sources",
                   CONFIG_OBJECTS_MAX);
        return;
    }
    c->sources = CONFIG_ARRAY(r, struct source_config *, node->count);
    for (const struct yaml *one = node->first; one; one = one->next) {
        struct source_config *source = read_source(r, one);
        c->sources[c->source_count++] = source;
        map_put(&c->sources_by_name, source->name, source);
    }
}
