/* public_keys.c -- which public key a signature is to be checked with.
 *
 * A key at a URL is only ever taken from a host that the provider's file names, over https: the
 * request may choose among the provider's keys, never bring its own. Parsed keys are kept by URL
 * and version, so a request with a known key parses nothing. */
#include "verify/public_keys.h"

#include "base/codec.h"
#include "base/log.h"
#include "verify/keys.h"

#define KEPT_MAX 8
#define URL_BYTES_MAX 2048
#define KID_BYTES_MAX 256

struct kept {
    char *name; /* the URL, a blank, the kid */
    uint64_t version;
    struct public_key *v[PUBLIC_KEYS_MAX];
    size_t count;
};

struct public_keys {
    struct public_key *own;
    struct kept kept[KEPT_MAX];
    size_t next;
};

static bool is_pem(str text)
{
    return str_find_str(text, STR("-----BEGIN ")) < text.n;
}

/* An environment variable often holds a PEM text with "\n" for its line ends. */
static str undo_newlines(str text, char *room)
{
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++) {
        bool escaped = text.p[i] == '\\' && i + 1 < text.n && text.p[i + 1] == 'n';
        room[n++] = escaped ? '\n' : text.p[i];
        i += escaped;
    }
    return str_of(room, n);
}

static struct public_key *read_key(const struct scheme *s, str bytes, bool for_signing,
                                   struct reason *why)
{
    char room[KEY_BYTES_MAX];
    struct public_key *key = NULL;
    /* By its length, before anything is read into it: a raw key may begin with any byte, '{' too,
     * and neither a PEM nor a JWK is as short. */
    if ((s->ops == &scheme_ed25519 || s->ops->is_message) &&
        (bytes.n == 32 || (for_signing && bytes.n == 64)))
        return public_key_ed25519(bytes, for_signing, why);
    if (is_pem(bytes) && bytes.n <= sizeof(room)) {
        /* A pinned certificate is the operator's own choice: its dates are not judged. */
        key = public_key_pem(undo_newlines(bytes, room), for_signing, 0, why);
        secret_wipe(room, sizeof(room));
        return key;
    }
    if (str_starts(str_trim(bytes), STR("{"))) {
        struct json_doc *d = json_parse(bytes, why);
        key = d ? public_key_jwk(json_root(d), why) : NULL;
        json_doc_free(d);
        return key;
    }
    return public_key_der(bytes, for_signing, why);
}

struct public_keys *public_keys_new(const struct scheme *s, const struct key *k, bool for_signing,
                                    struct reason *why)
{
    struct public_key *own = read_key(s, secret_str(&k->bytes), for_signing, why);
    if (!own)
        return NULL;
    struct public_keys *keys = public_keys_at_url();
    keys->own = own;
    return keys;
}

struct public_keys *public_keys_at_url(void)
{
    return xcalloc(1, sizeof(struct public_keys));
}

static void kept_release(struct kept *kept)
{
    for (size_t i = 0; i < kept->count; i++)
        public_key_free(kept->v[i]);
    free(kept->name);
    *kept = (struct kept){0};
}

void public_keys_free(struct public_keys *keys)
{
    if (!keys)
        return;
    public_key_free(keys->own);
    for (size_t i = 0; i < KEPT_MAX; i++)
        kept_release(&keys->kept[i]);
    free(keys);
}

/* --- where they may lie ---------------------------------------------------------------------- */

static bool is_label_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

/* "sns.*.amazonaws.com": a star stands for one label, so that nobody's own sub-domain fits. A port
 * must be the pattern's own. */
static bool host_fits(str pattern, str host)
{
    size_t colon = str_find(pattern, ':');
    str port = str_slice(pattern, colon, pattern.n);
    if (port.n && !str_ends(host, port))
        return false;
    pattern.n = colon;
    host.n -= port.n;
    while (pattern.p && host.p) {
        str want = str_cut(&pattern, '.'), label = str_cut(&host, '.');
        if (!label.n)
            return false;
        for (size_t i = 0; i < label.n; i++)
            if (!is_label_char(label.p[i]))
                return false;
        if (!str_eq(want, STR("*")) && !str_eq(want, label))
            return false;
    }
    return !pattern.p && !host.p;
}

bool key_url_is_allowed(const str *hosts, size_t count, str url)
{
    if (!str_starts(url, STR("https://")))
        return false;
    for (size_t i = 0; i < url.n; i++)
        if (url.p[i] <= ' ' || url.p[i] >= 0x7f || url.p[i] == '\\')
            return false;
    str rest = str_slice(url, 8, url.n);
    size_t end = 0;
    while (end < rest.n && !memchr("/?#", rest.p[end], 3))
        end++;
    str host = str_slice(rest, 0, end);
    bool usual_port = str_ends(host, STR(":443"));
    for (size_t i = 0; i < count; i++)
        if (host_fits(hosts[i], host) ||
            (usual_port && host_fits(hosts[i], str_slice(host, 0, host.n - 4))))
            return true;
    return false;
}

/* --- reading what is there ------------------------------------------------------------------- */

static void keep_jwks(struct kept *kept, const struct json *root, str kid)
{
    const struct json *list = json_get(root, STR("keys"));
    struct json_iter it = {0};
    if (!list && json_get(root, STR("kty"))) {
        kept->v[0] = public_key_jwk(root, NULL);
        kept->count = kept->v[0] != NULL;
    }
    while (kept->count < PUBLIC_KEYS_MAX && json_next(list, &it)) {
        str name = json_str(json_get(it.value, STR("kid")));
        if (kid.p && !str_eq(name, kid))
            continue;
        struct public_key *key = public_key_jwk(it.value, NULL);
        if (key)
            kept->v[kept->count++] = key;
    }
}

/* A document is a JWKS, a PEM text, or JSON with a PEM or base64 key as one member. */
static void keep_document(struct kept *kept, const struct scheme *s, struct view *w, str doc,
                          str kid)
{
    struct json_doc *d = NULL;
    str text = doc;
    if (str_starts(str_trim(doc), STR("{")))
        d = json_parse(doc, NULL);
    if (d && s->key.member.n) {
        if (json_lookup(w->arena, json_root(d), s->key.member, &text) != PRESENT)
            text = STR("");
    } else if (d) {
        keep_jwks(kept, json_root(d), kid);
        json_doc_free(d);
        return;
    }
    uint8_t bytes[KEY_BYTES_MAX];
    size_t n;
    if (is_pem(text))
        kept->v[0] = public_key_pem(text, false, w->now_ms, NULL);
    else if (base64_decode(str_trim(text), bytes, sizeof(bytes), &n))
        kept->v[0] = read_key(s, str_of((const char *)bytes, n), false, NULL);
    kept->count = kept->v[0] != NULL;
    json_doc_free(d);
}

static struct kept *find_kept(struct public_keys *keys, str name)
{
    for (size_t i = 0; i < KEPT_MAX; i++)
        if (keys->kept[i].name && str_eq(str_from_cstr(keys->kept[i].name), name))
            return &keys->kept[i];
    return NULL;
}

static size_t give(const struct kept *kept, const struct public_key *out[PUBLIC_KEYS_MAX])
{
    for (size_t i = 0; i < kept->count; i++)
        out[i] = kept->v[i];
    return kept->count;
}

static size_t fetched_keys(struct public_keys *keys, const struct scheme *s, struct view *w,
                           str kid, const struct public_key *out[PUBLIC_KEYS_MAX])
{
    str url = pieces_text(&s->key.url, w, URL_BYTES_MAX), doc = STR_NONE;
    if (!url.p || kid.n > KID_BYTES_MAX)
        return 0;
    if (!key_url_is_allowed(s->key.hosts, s->key.host_count, url)) {
        view_problem(w, PROBLEM_KEY, "the key's URL is not https at a host that the provider uses");
        return 0;
    }
    str name = arena_printf(w->arena, STR_FMT " " STR_FMT, STR_ARG(url), STR_ARG(kid));
    if (!name.p)
        return 0;
    struct kept *kept = find_kept(keys, name);
    struct key_wish wish = {.url = url, .ttl_ms = s->key.ttl_ms, .known = kept ? kept->version : 0};
    uint64_t version = 0;
    enum key_state state =
        w->keys ? w->keys->get(w->keys->arg, &wish, w->arena, &doc, &version) : KEY_REFUSED;
    if (state == KEY_HERE && (!kept || kept->version != version)) {
        if (!kept)
            kept = &keys->kept[keys->next++ % KEPT_MAX];
        kept_release(kept);
        kept->name = xcalloc(1, name.n + 1);
        memcpy(kept->name, name.p, name.n);
        kept->version = version;
        keep_document(kept, s, w, doc, kid);
    }
    if (state == KEY_HERE && kept->count == 0 && w->keys) {
        wish.not_inside = true;
        wish.known = version;
        state = w->keys->get(w->keys->arg, &wish, w->arena, &doc, &version);
    }
    if (state == KEY_COMING)
        w->key_pending = true;
    else if (state == KEY_REFUSED)
        view_problem(w, PROBLEM_KEY, "the key could not be fetched from where the provider has it");
    else if (kept->count == 0)
        view_problem(w, PROBLEM_KEY, "the provider has no key of the name that the request gives");
    return state == KEY_HERE ? give(kept, out) : 0;
}

size_t public_keys_of(struct public_keys *keys, const struct scheme *s, struct view *w, str kid,
                      const struct public_key *out[PUBLIC_KEYS_MAX])
{
    if (keys->own) {
        out[0] = keys->own;
        return 1;
    }
    return fetched_keys(keys, s, w, kid, out);
}
