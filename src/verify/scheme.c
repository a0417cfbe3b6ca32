/* scheme.c -- compiles one alternative of a provider file (`verify:` or an item of its `any:`)
 * and refuses what would verify less than it seems to: a timestamp or an id outside the signed
 * text, a body that nothing signs, a digest without the secret in it. */
#include "verify/scheme.h"

#define TOLERANCE_DEFAULT_MS (300 * 1000)
#define KEY_TTL_DEFAULT_MS (24 * 3600 * 1000)

#define REFS_GATHERED                                                                              \
    (REF_BIT(REF_FORM_PAIRS) | REF_BIT(REF_FORM_QUERY) | REF_BIT(REF_JSON_QUERY) |                 \
     REF_BIT(REF_JSON_LIST) | REF_BIT(REF_SIGNED_HEADERS) | REF_BIT(REF_FIELD_HEADERS) |           \
     REF_BIT(REF_JSON_LEAVES) | REF_BIT(REF_SORTED_QUERY) | REF_BIT(REF_FORM_PHP) |                \
     REF_BIT(REF_PLIVO) | REF_BIT(REF_RAW))
#define REFS_SIGNED                                                                                \
    (REFS_OF_REQUEST | REFS_GATHERED | REF_BIT(REF_BODY) | REF_BIT(REF_TS) | REF_BIT(REF_ID) |     \
     REF_BIT(REF_URL) | REF_BIT(REF_URL_PORT) | REF_BIT(REF_METHOD) | REF_BIT(REF_PATH) |          \
     REF_BIT(REF_TARGET) | REF_BIT(REF_QUERY_STRING) | REF_BIT(REF_SECRET) | REF_BIT(REF_FIELD) |  \
     REF_BIT(REF_ITEM) | REF_BIT(REF_TEXT) | REF_BIT(REF_JOSE) | REF_BIT(REF_JOSE_HEADERS))
/* What of them depends on the body. */
#define REFS_PAYLOAD                                                                               \
    (REF_BIT(REF_BODY) | REF_BIT(REF_FORM) | REF_BIT(REF_FORM_JSON) | REF_BIT(REF_JSON) |          \
     REF_BIT(REF_ITEM) | REF_BIT(REF_FORM_PAIRS) | REF_BIT(REF_FORM_QUERY) |                       \
     REF_BIT(REF_JSON_QUERY) | REF_BIT(REF_JSON_LIST) | REF_BIT(REF_RAW) |                         \
     REF_BIT(REF_JSON_LEAVES) | REF_BIT(REF_FORM_PHP) | REF_BIT(REF_PLIVO))
/* What a signature or a timestamp may be read from. */
#define REFS_SOURCE (REFS_OF_REQUEST | REF_BIT(REF_ITEM))

static const char *const unit_words[] = {"s", "ms", "iso", "iso-utc", "auto", "nonce", NULL};

/* A scalar or a list of them, as nodes. */
static size_t items_of(const struct yaml *node, const struct yaml **out, size_t max,
                       struct problems *p)
{
    if (!node)
        return 0;
    if (node->kind == YAML_SCALAR) {
        out[0] = node;
        return 1;
    }
    size_t n = 0;
    if (node->kind == YAML_MAP || node->count > max) {
        problem_at(p, node, "expected one value or a list of at most %zu", max);
        return 0;
    }
    for (const struct yaml *item = node->first; item; item = item->next)
        out[n++] = item;
    return n;
}

size_t refs_compile(struct ref *out, size_t max, struct arena *a, const struct yaml *node,
                    unsigned allowed, struct problems *p)
{
    const struct yaml *items[RECIPE_LIST_MAX];
    assert(max <= ARRAY_LEN(items));
    size_t n = items_of(node, items, max, p);
    for (size_t i = 0; i < n; i++)
        if (!ref_compile(&out[i], a, items[i], allowed, p))
            return 0;
    return n;
}

static bool read_char(struct problems *p, const struct yaml *node, char *out)
{
    str s = STR_NONE;
    if (!node || !read_str(p, node, &s))
        return node == NULL;
    if (s.n != 1) {
        problem_at(p, node, "expected one character");
        return false;
    }
    *out = s.p[0];
    return true;
}

static void compile_fields(struct signature_rule *r, struct arena *a, const struct yaml *node,
                           const struct yaml *pick, struct problems *p)
{
    static const char *const known[] = {"separator", "assign", NULL};
    const struct yaml *picks[SIGNATURE_NAMES_MAX] = {NULL};
    r->pick_count = items_of(pick, picks, SIGNATURE_NAMES_MAX, p);
    for (size_t i = 0; i < r->pick_count; i++) {
        read_str(p, picks[i], &r->pick[i]);
        r->pick[i] = arena_str(a, r->pick[i]);
    }
    if (node && read_keys(p, node, known) &&
        read_char(p, yaml_get(node, STR("separator")), &r->fields.separator) &&
        read_char(p, yaml_get(node, STR("assign")), &r->fields.assign) && !r->fields.separator)
        problem_at(p, node, "\"separator\" is missing: the character between two fields");
    if (r->fields.assign && !r->pick_count)
        problem_at(p, node, "\"pick\" is missing: the names of the fields that are signatures");
    if (r->pick_count && !r->fields.assign)
        problem_at_key(p, pick, "\"pick\" needs \"fields\" with \"assign\"");
}

static void compile_wrapping(struct signature_rule *r, struct arena *a, const struct yaml *node,
                             struct problems *p)
{
    static const char *const wraps[] = {"base64", NULL}, *const forms[] = {"der", "raw", NULL};
    const struct yaml *unwrap = yaml_get(node, STR("unwrap")),
                      *member = yaml_get(node, STR("member"));
    int word = 0;
    r->unwrap = unwrap && read_enum(p, unwrap, wraps, &word);
    if (member && !unwrap)
        problem_at_key(p, member, "\"member\" needs \"unwrap\": base64");
    read_str(p, member, &r->member);
    r->member = arena_str(a, r->member);
    word = 0;
    read_enum(p, yaml_get(node, STR("form")), forms, &word);
    r->is_raw_pair = word == 1;
}

static void name_header(struct signature_rule *r, str name)
{
    r->from[0] = (struct ref){REF_HEADER, name, name};
    r->from_count = 1;
}

static void compile_signature(struct scheme *s, struct arena *a, const struct yaml *node,
                              const struct yaml *place, struct problems *p)
{
    static const char *const known[] = {"from",     "fields", "pick",   "prefix", "strip",
                                        "encoding", "unwrap", "member", "form",   NULL};
    struct signature_rule *r = &s->signature;
    if (s->ops->is_message) {
        name_header(r, STR("Signature"));
        return;
    }
    if (s->ops->credential) {
        name_header(r, STR("Authorization"));
        r->prefix = str_from_cstr(s->ops->credential);
        r->prefix_nocase = true;
        r->encoding = s->ops->credential_encoding;
        return;
    }
    if (!node) {
        problem_at(p, place,
                   "\"signature\" is missing: where what the sender proves itself with is");
        return;
    }
    if (!read_keys(p, node, known))
        return;
    const struct yaml *from = yaml_get(node, STR("from"));
    r->from_count =
        refs_compile(r->from, SIGNATURE_NAMES_MAX, a, from,
                     s->ops->is_jose ? REFS_SOURCE | REF_BIT(REF_BODY) : REFS_SOURCE, p);
    if (!from || (from->kind == YAML_LIST && !from->count))
        problem_at(p, node, "\"from\" is missing: \"header:NAME\" for example");
    compile_fields(r, a, yaml_get(node, STR("fields")), yaml_get(node, STR("pick")), p);
    read_str(p, yaml_get(node, STR("prefix")), &r->prefix);
    read_str(p, yaml_get(node, STR("strip")), &r->strip);
    r->prefix = arena_str(a, r->prefix);
    r->strip = arena_str(a, r->strip);
    const struct yaml *encoding = yaml_get(node, STR("encoding"));
    bool encoded = s->ops->signs_text && !s->ops->is_jose;
    int e = encoded ? ENCODING_HEX : ENCODING_RAW;
    compile_wrapping(r, a, node, p);
    if (s->ops->is_jose && encoding)
        problem_at_key(p, encoding, "a JWS says itself how it is written");
    if (encoded && !encoding)
        problem_at(p, node, "\"encoding\" is missing: hex, base64 or base64url");
    if (read_enum(p, encoding, encoding_words, &e))
        r->encoding = (enum encoding)e;
    if (encoded && e == ENCODING_RAW)
        problem_at(p, encoding, "a signature is not sent raw: hex, base64 or base64url");
}

/* A host that no request can choose: that of a text which has nothing of one in its host. */
static bool fixed_host(struct key_rule *r, struct arena *a)
{
    str text = r->url.v[0].is_ref ? STR("") : r->url.v[0].text;
    if (!str_starts(text, STR("https://")))
        return false;
    str rest = str_slice(text, 8, text.n);
    size_t end = str_find(rest, '/');
    if (end == rest.n && r->url.count > 1)
        return false;
    r->hosts = ARENA_ARRAY(a, str, 1);
    if (!r->hosts)
        return false;
    r->hosts[0] = str_slice(rest, 0, end);
    r->host_count = 1;
    return end > 0;
}

bool host_patterns_are_good(const str *hosts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t dots = 0;
        str name = str_slice(hosts[i], 0, str_find(hosts[i], ':'));
        for (size_t j = 0; j < name.n; j++)
            dots += name.p[j] == '.';
        if (!dots || str_ends(name, STR("*")) || str_find(hosts[i], '/') < hosts[i].n)
            return false;
    }
    return count > 0;
}

static void compile_key_url(struct scheme *s, struct arena *a, const struct yaml *url,
                            const struct yaml *hosts, struct problems *p)
{
    struct key_rule *r = &s->key;
    if (!pieces_compile(&r->url, a, url, REFS_OF_REQUEST, p))
        return;
    r->has_url = r->url.count > 0;
    if (hosts && read_str_list(p, a, hosts, &r->hosts, &r->host_count)) {
        for (size_t i = 0; i < r->host_count; i++)
            r->hosts[i] = arena_str(a, r->hosts[i]);
        if (!host_patterns_are_good(r->hosts, r->host_count))
            problem_at(p, hosts,
                       "expected names of hosts, as keys.example.org or *.example.org: a star "
                       "stands for one label");
    } else if (!hosts && r->has_url && !fixed_host(r, a)) {
        problem_at(p, url,
                   "the request could choose the host: write an https URL whose host is fixed, or "
                   "\"hosts\" with those that the provider uses");
    }
}

static void compile_public_key(struct scheme *s, struct arena *a, const struct yaml *node,
                               struct problems *p)
{
    struct key_rule *r = &s->key;
    const struct yaml *pinned = yaml_get(node, STR("pinned")), *url = yaml_get(node, STR("url"));
    const struct yaml *hosts = yaml_get(node, STR("hosts")), *ttl = yaml_get(node, STR("ttl"));
    r->ttl_ms = KEY_TTL_DEFAULT_MS;
    if ((pinned || url) && !scheme_has_public_key(s)) {
        problem_at_key(p, pinned ? pinned : url,
                       "a key in this file or at a URL is known to "
                       "everybody: only public keys can be");
        return;
    }
    if (!url && (hosts || ttl || yaml_get(node, STR("member"))))
        problem_at(p, node, "\"hosts\", \"ttl\" and \"member\" need \"url\"");
    if (url)
        compile_key_url(s, a, url, hosts, p);
    read_duration(p, ttl, 60 * 1000, 7 * (int64_t)TOLERANCE_MAX_MS, &r->ttl_ms);
    read_str(p, yaml_get(node, STR("member")), &r->member);
    r->member = arena_str(a, r->member);
    if (pinned && pinned->kind == YAML_SCALAR) {
        r->pinned = ARENA_ARRAY(a, str, 1);
        r->pinned_count = r->pinned && read_str(p, pinned, &r->pinned[0]);
    } else if (pinned) {
        read_str_list(p, a, pinned, &r->pinned, &r->pinned_count);
    }
    if (r->pinned_count > VERIFY_SECRETS_MAX)
        problem_at(p, pinned, "at most %d keys", VERIFY_SECRETS_MAX);
    for (size_t i = 0; i < r->pinned_count; i++)
        r->pinned[i] = arena_str(a, r->pinned[i]);
}

static void compile_key(struct scheme *s, struct arena *a, const struct yaml *node,
                        struct problems *p)
{
    static const char *const known[] = {
        "encoding", "prefix", "private-prefix", "strip",  "format", "derive", "select",
        "pinned",   "url",    "hosts",          "member", "ttl",    NULL};
    struct key_rule *r = &s->key;
    int e = ENCODING_RAW, derive = DIGEST_SHA256;
    const struct yaml *format = yaml_get(node, STR("format"));
    if (node && read_keys(p, node, known)) {
        read_enum(p, yaml_get(node, STR("encoding")), encoding_words, &e);
        read_str(p, yaml_get(node, STR("prefix")), &r->prefix);
        read_str(p, yaml_get(node, STR("private-prefix")), &r->private_prefix);
        read_str(p, yaml_get(node, STR("strip")), &r->strip);
        if (format && pieces_compile(&r->format, a, format, REF_BIT(REF_SECRET), p) &&
            !(r->format.mentions & REF_BIT(REF_SECRET)))
            problem_at(p, format, "a key without {{ secret }} in it is known to anybody");
        r->has_derive = yaml_get(node, STR("derive")) != NULL;
        read_enum(p, yaml_get(node, STR("derive")), digest_words, &derive);
        const struct yaml *select = yaml_get(node, STR("select"));
        r->has_select = select && ref_compile(&r->select, a, select, REFS_OF_REQUEST, p);
        compile_public_key(s, a, node, p);
    }
    if (e == ENCODING_BASE64_HEX || e == ENCODING_BASE64_BARE)
        problem_at(p, node, "a key is raw, hex, base64 or base64url");
    r->derive = (enum digest)derive;
    r->encoding = (enum encoding)e;
    r->prefix = arena_str(a, r->prefix);
    r->private_prefix = arena_str(a, r->private_prefix);
    r->strip = arena_str(a, r->strip);
}

static void compile_timestamp(struct scheme *s, struct arena *a, const struct yaml *node,
                              struct problems *p)
{
    static const char *const known[] = {"from", "unit", "tolerance", NULL};
    if (!node)
        return;
    struct timestamp_rule *r = &s->timestamp;
    int unit = UNIT_S;
    s->has_timestamp = true;
    r->tolerance_ms = TOLERANCE_DEFAULT_MS;
    const struct yaml *from = yaml_get(node, STR("from")), *tol = yaml_get(node, STR("tolerance"));
    if (!read_keys(p, node, known))
        return;
    if (!from)
        problem_at(p, node, "\"from\" is missing: \"header:NAME\" or \"field:NAME\" for example");
    else if (ref_compile(&r->from, a, from,
                         s->ops == &scheme_jws ? REFS_SOURCE | REF_BIT(REF_JOSE)
                                               : REFS_SOURCE | REF_BIT(REF_FIELD),
                         p) &&
             r->from.kind == REF_FIELD && !s->signature.fields.separator)
        problem_at(p, from, "\"field:\" needs \"fields\" in \"signature\"");
    const struct yaml *word = yaml_get(node, STR("unit"));
    if (!word)
        problem_at(p, node, "\"unit\" is missing: s, ms, iso, iso-utc, auto or nonce");
    read_enum(p, word, unit_words, &unit);
    r->unit = (enum timestamp_unit)unit;
    if (tol && r->unit == UNIT_NONCE)
        problem_at_key(p, tol, "a nonce is no time and has no tolerance");
    read_duration(p, tol, 1000, TOLERANCE_MAX_MS, &r->tolerance_ms);
}

/* A time inside the body is signed with it; the header of a JWS always is. */
static bool signs_timestamp(const struct scheme *s, unsigned has)
{
    if (s->timestamp.from.kind == REF_JOSE)
        return true;

    bool in_body = s->timestamp.from.kind == REF_JSON || s->timestamp.from.kind == REF_FORM ||
                   s->timestamp.from.kind == REF_FORM_JSON || s->timestamp.from.kind == REF_ITEM;
    return (has & REF_BIT(REF_TS)) || (in_body && (has & REF_BIT(REF_BODY)));
}

static bool is_in_text(const struct pieces *t, const struct ref *r)
{
    for (size_t i = 0; i < t->count; i++)
        if (t->v[i].is_ref && t->v[i].ref.kind == r->kind && str_eq(t->v[i].ref.arg, r->arg))
            return true;
    return false;
}

/* True when an assertion ties the body to something that is signed itself. */
static bool asserts_payload(const struct scheme *s)
{
    for (size_t i = 0; i < s->assert_count; i++) {
        const struct assertion *one = &s->asserts[i];
        bool is_signed =
            is_in_text(&s->signed_text, &one->ref) ||
            (one->ref.kind == REF_QUERY &&
             (s->signed_text.mentions & (REF_BIT(REF_URL) | REF_BIT(REF_URL_PORT) |
                                         REF_BIT(REF_TARGET) | REF_BIT(REF_QUERY_STRING))));
        if (is_signed && (one->value.mentions & REFS_PAYLOAD))
            return true;
    }
    return false;
}

/* What the signed text must and must not mention. */
static void lint_signed(const struct scheme *s, const struct yaml *node, const struct yaml *text,
                        struct problems *p)
{
    unsigned has = s->signed_text.mentions | s->text.mentions;
    bool unsigned_body = false;
    const struct yaml *mark = yaml_get(node, STR("body-unsigned"));
    read_bool(p, mark, &unsigned_body);
    if (s->has_timestamp && s->timestamp.unit != UNIT_NONCE && !signs_timestamp(s, has))
        problem_at(p, text,
                   "the timestamp is not part of the signed text, so anybody could change "
                   "it: put {{ ts }} in, or say \"unit: nonce\" if it is no time");
    if (!s->has_timestamp && (has & REF_BIT(REF_TS)))
        problem_at(p, text, "{{ ts }} needs \"timestamp\", which says where it is");
    if (s->has_id && !(has & REF_BIT(REF_ID)))
        problem_at(p, text,
                   "\"id\" is not part of the signed text: put {{ id }} in, or use "
                   "\"delivery-id\" for an id that is not signed");
    if (!s->has_id && (has & REF_BIT(REF_ID)))
        problem_at(p, text, "{{ id }} needs \"id\", which says where it is");
    if ((has & REF_BIT(REF_FIELD)) && !s->signature.fields.separator)
        problem_at(p, text, "{{ field:... }} needs \"fields\" in \"signature\"");
    if (s->ops == &scheme_hash && !(has & (REF_BIT(REF_SECRET) | REF_BIT(REF_SORTED_QUERY))))
        problem_at(p, text, "a hash without {{ secret }} in it can be made by anybody");
    if (s->ops != &scheme_hash && (has & (REF_BIT(REF_SECRET) | REF_BIT(REF_SORTED_QUERY))))
        problem_at(p, text, "{{ secret }} belongs only in the text of scheme hash");
    if (s->has_text != ((s->signed_text.mentions & REF_BIT(REF_TEXT)) != 0))
        problem_at(p, text, "\"text\" and {{ text }} in \"signed\" need each other");
    if ((has & REF_BIT(REF_ITEM)) && !s->has_each)
        problem_at(p, text, "{{ item:... }} needs \"each\", which says where the items are");
    if (!(has & REFS_PAYLOAD) && !unsigned_body && !asserts_payload(s))
        problem_at(p, text,
                   "nothing of the body is signed: say \"body-unsigned: true\" if the "
                   "provider really signs none of it");
}

static void compile_text(struct scheme *s, struct arena *a, const struct yaml *node,
                         struct problems *p)
{
    const struct yaml *hash = yaml_get(node, STR("hash")), *id = yaml_get(node, STR("id"));
    const struct yaml *text = yaml_get(node, STR("signed"));
    int digest = DIGEST_SHA256;
    if (s->ops->has_digest && !hash)
        problem_at(p, node, "\"hash\" is missing: sha256 for example");
    read_enum(p, hash, digest_words, &digest);
    s->digest = (enum digest)digest;
    if (id)
        s->has_id = ref_compile(&s->id, a, id, REFS_OF_REQUEST | REF_BIT(REF_FIELD), p);
    compile_timestamp(s, a, yaml_get(node, STR("timestamp")), p);
    const struct yaml *part = yaml_get(node, STR("text"));
    s->has_text = part && pieces_compile(&s->text, a, part, REFS_SIGNED & ~REF_BIT(REF_TEXT), p);
    if (!text)
        problem_at(p, node, "\"signed\" is missing: what is signed, \"{{ body }}\" for example");
    else if (pieces_compile(&s->signed_text, a, text, REFS_SIGNED, p) &&
             asserts_compile(s, a, yaml_get(node, STR("assert")), REFS_SIGNED, p))
        lint_signed(s, node, text, p);
}

/* What every scheme with a proof in the request may have: when it applies, and to what. */
static void compile_scope(struct scheme *s, struct arena *a, const struct yaml *node,
                          struct problems *p)
{
    const struct yaml *when = yaml_get(node, STR("when")), *each = yaml_get(node, STR("each"));
    struct ref list;
    if (when) {
        s->when = ARENA_ARRAY(a, struct condition, CONDITIONS_MAX);
        if (s->when)
            s->when_count =
                conditions_compile(s->when, a, when, REFS_OF_REQUEST | REF_BIT(REF_METHOD), p);
    }
    if (each && ref_compile(&list, a, each, REF_BIT(REF_JSON), p)) {
        s->has_each = true;
        s->each = list.arg;
    }
    for (size_t i = 0; i < s->signature.from_count; i++)
        if (s->signature.from[i].kind == REF_ITEM && !s->has_each)
            problem_at(p, node, "\"item:\" needs \"each\", which says where the items are");
}

static void compile_prehash(struct scheme *s, const struct yaml *node, struct problems *p)
{
    const struct yaml *items[PREHASH_MAX];
    size_t n = items_of(node, items, PREHASH_MAX, p);
    for (size_t i = 0; i < n; i++) {
        int digest = DIGEST_SHA256;
        if (read_enum(p, items[i], digest_words, &digest))
            s->prehash[s->prehash_count++] = (enum digest)digest;
    }
    if (n && s->ops->has_digest && s->ops->compute)
        problem_at_key(p, node, "\"prehash\" is for public-key schemes; use filters in \"signed\"");
}

static void describe(struct scheme *s, struct arena *a)
{
    const char *word = s->ops->word;
    if (s->ops->is_jose) {
        s->what = str_from_cstr(s->ops == &scheme_jwt ? "a JSON Web Token" : "a detached JWS");
        return;
    }
    if (s->ops->is_message) {
        s->what = STR("the parts of the request that it covers (RFC 9421)");
        return;
    }
    if (!s->ops->signs_text) {
        s->what = str_from_cstr(s->ops->credential ? "the credentials" : "the token");
        return;
    }
    const char *digest = s->ops->has_digest ? digest_words[s->digest] : "";
    const struct pieces *t = &s->signed_text;
    bool plain =
        t->count == 1 && t->v[0].is_ref && t->v[0].ref.kind == REF_BODY && !t->v[0].filter_count;
    s->what = arena_printf(
        a, "%s%s%s of %s" STR_FMT "%s", word, *digest ? "-" : "", digest, plain ? "the body" : "\"",
        STR_ARG(plain ? STR("") : str_slice(t->source, 0, 120)), plain ? "" : "\"");
}

bool scheme_has_public_key(const struct scheme *s)
{
    return s->ops->is_public || (s->ops->is_jose && !s->jose.keyed) ||
           (s->ops->is_message && !s->message.keyed);
}

bool scheme_needs_secret(const struct scheme *s)
{
    return s->ops->needs_secret && !s->key.pinned_count && !s->key.has_url;
}

bool scheme_compile(struct scheme *s, struct arena *a, const struct yaml *node, struct problems *p)
{
    static const char *const text_keys[] = {
        "scheme", "hash",    "key",           "signature", "id",   "timestamp", "signed",
        "assert", "prehash", "body-unsigned", "when",      "each", "text",      NULL};
    static const char *const jwt_keys[] = {"scheme",  "key",  "signature", "algorithms", "claims",
                                           "max-age", "when", "leeway",    NULL};
    static const char *const jws_keys[] = {
        "scheme",        "key",       "signature", "algorithms", "signed", "id",
        "body-unsigned", "timestamp", "assert",    "when",       NULL};
    static const char *const message_keys[] = {"scheme", "key", "algorithms", "components",
                                               "keyid",  "tag", "tolerance",  "body-unsigned",
                                               "when",   NULL};
    static const char *const token_keys[] = {"scheme", "key", "signature", "when", "each", NULL};
    static const char *const credential_keys[] = {"scheme", "when", NULL};
    static const char *const mtls_keys[] = {"scheme", "subject",     "san",
                                            "issuer", "fingerprint", NULL};
    static const char *const bare_keys[] = {"scheme", NULL};
    const char *words[SCHEME_COUNT + 1] = {NULL};
    for (size_t i = 0; i < SCHEME_COUNT; i++)
        words[i] = scheme_list[i]->word;
    const struct yaml *word = yaml_get(node, STR("scheme"));
    size_t errors = p->errors;
    int index = 0;
    if (node->kind != YAML_MAP || !word) {
        problem_at(p, node,
                   "\"scheme\" is missing: hmac, hash, ed25519, rsa, rsa-pss, ecdsa, jwt, jws, "
                   "paytm, rfc9421, token, basic, bearer, ip, mtls or none");
        return false;
    }
    if (!read_enum(p, word, words, &index))
        return false;
    s->ops = scheme_list[index];
    const char *const *keys = s->ops == &scheme_mtls  ? mtls_keys
                              : !s->ops->needs_secret ? bare_keys
                              : s->ops == &scheme_jwt ? jwt_keys
                              : s->ops == &scheme_jws ? jws_keys
                              : s->ops->is_message    ? message_keys
                              : s->ops->credential    ? credential_keys
                              : s->ops->signs_text    ? text_keys
                                                      : token_keys;
    if (!read_keys(p, node, keys))
        return false;
    if (s->ops == &scheme_mtls)
        mtls_compile(s, a, node, p);
    if (s->ops->is_jose)
        jose_compile(s, a, node, p);
    s->timestamp.tolerance_ms = TOLERANCE_DEFAULT_MS;
    if (s->ops->is_message)
        message_compile(s, a, node, p);
    compile_key(s, a, yaml_get(node, STR("key")), p);
    if (s->ops->needs_secret) {
        compile_signature(s, a, yaml_get(node, STR("signature")), node, p);
        compile_scope(s, a, node, p);
    }
    if (s->ops->signs_text) {
        compile_prehash(s, yaml_get(node, STR("prehash")), p);
        compile_text(s, a, node, p);
    }
    describe(s, a);
    return p->errors == errors;
}
