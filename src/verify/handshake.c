/* handshake.c -- reads the handshakes of a provider file: when a request is one, whether it must be
 * signed, what is answered, and what else comes of it (a secret learned, a URL to confirm). */
#include "verify/scheme.h"

static void compile_headers(struct handshake *h, struct arena *a, const struct yaml *node,
                            struct problems *p)
{
    if (!node)
        return;
    if (node->kind != YAML_MAP || !node->count || node->count > GREETING_FIELDS_MAX) {
        problem_at(p, node, "expected 1 to %d headers, as { X-Name: \"{{ header:X-Name }}\" }",
                   GREETING_FIELDS_MAX);
        return;
    }
    for (const struct yaml *item = node->first; item; item = item->next) {
        h->field_names[h->field_count] = arena_str(a, item->key);
        pieces_compile(&h->field_values[h->field_count], a, item, REFS_REPLY, p);
        h->field_count++;
    }
}

static void compile_reply(struct handshake *h, struct arena *a, const struct yaml *item,
                          struct problems *p)
{
    static const char *const known[] = {"status", "content-type", "body", "header", NULL};
    const struct yaml *node = yaml_get(item, STR("reply"));
    int64_t status = 200;
    str type = STR("text/plain");
    if (!node) {
        problem_at(p, item, "\"reply\" is missing");
        return;
    }
    if (!read_keys(p, node, known))
        return;
    read_int(p, yaml_get(node, STR("status")), 200, 299, &status);
    read_str(p, yaml_get(node, STR("content-type")), &type);
    h->status = (int)status;
    h->content_type = arena_str(a, type);
    const struct yaml *body = yaml_get(node, STR("body"));
    if (body)
        pieces_compile(&h->body, a, body, REFS_REPLY, p);
    compile_headers(h, a, yaml_get(node, STR("header")), p);
}

static void compile_fetch(struct handshake *h, struct arena *a, const struct yaml *node,
                          struct problems *p)
{
    static const char *const known[] = {"url", "hosts", NULL};
    if (!node || !read_keys(p, node, known))
        return;
    const struct yaml *url = yaml_get(node, STR("url")), *hosts = yaml_get(node, STR("hosts"));
    h->fetches = url && ref_compile(&h->fetch, a, url, REFS_OF_REQUEST, p);
    if (!url || !hosts)
        problem_at(p, node,
                   "a URL to confirm needs \"url\" and \"hosts\": those that may be asked");
    if (hosts && read_str_list(p, a, hosts, &h->hosts, &h->host_count)) {
        for (size_t i = 0; i < h->host_count; i++)
            h->hosts[i] = arena_str(a, h->hosts[i]);
        if (!host_patterns_are_good(h->hosts, h->host_count))
            problem_at(p, hosts, "expected names of hosts, as *.example.org");
    }
}

static void compile_one(struct handshake *h, struct arena *a, const struct yaml *item,
                        struct problems *p)
{
    static const char *const known[] = {"when",         "needs-signature", "reply", "text",
                                        "learn-secret", "fetch",           NULL};
    static const char *const needs[] = {"true", "false", "if-present", NULL};
    int needed = GREET_SIGNED;
    if (!read_keys(p, item, known))
        return;
    read_enum(p, yaml_get(item, STR("needs-signature")), needs, &needed);
    h->proof = (enum greet_proof)needed;
    const struct yaml *when = yaml_get(item, STR("when")), *text = yaml_get(item, STR("text"));
    const struct yaml *learn = yaml_get(item, STR("learn-secret"));
    h->when_count = conditions_compile(h->when, a, when ? when : item,
                                       REFS_OF_REQUEST | REF_BIT(REF_METHOD), p);
    h->has_text = text && pieces_compile(&h->text, a, text, REFS_REPLY & ~REF_BIT(REF_TEXT), p);
    h->learns = learn && ref_compile(&h->learn, a, learn, REFS_OF_REQUEST, p);
    if (h->learns && h->proof == GREET_SIGNED)
        problem_at_key(p, learn,
                       "nothing can be signed with a secret that is not known yet: say "
                       "\"needs-signature: false\"");
    compile_reply(h, a, item, p);
    compile_fetch(h, a, yaml_get(item, STR("fetch")), p);
    if (h->fetches && h->proof == GREET_UNSIGNED)
        problem_at(p, item, "anybody could have a URL asked for: only signed requests may");
}

void handshakes_compile(struct recipe *r, struct arena *a, const struct yaml *node,
                        struct problems *p)
{
    if (!node)
        return;
    if (node->kind != YAML_LIST || node->count > RECIPE_LIST_MAX) {
        problem_at(p, node, "expected a list of at most %d handshakes", RECIPE_LIST_MAX);
        return;
    }
    r->handshakes = ARENA_ARRAY(a, struct handshake, node->count + 1);
    for (const struct yaml *item = node->first; r->handshakes && item; item = item->next)
        compile_one(&r->handshakes[r->handshake_count++], a, item, p);
}

/* True when some handshake is asked for by this method. */
static bool asks_by(const struct handshake *h, str method)
{
    for (size_t i = 0; i < h->when_count; i++)
        if (h->when[i].ref.kind == REF_METHOD && h->when[i].equals.p &&
            str_eq(h->when[i].equals, method))
            return true;
    return false;
}

bool recipe_greets_by(const struct recipe *r, str method)
{
    for (size_t i = 0; i < r->handshake_count; i++)
        if (asks_by(&r->handshakes[i], method))
            return true;
    return false;
}

bool provider_learns(const struct provider *p)
{
    for (size_t i = 0; i < p->recipe->handshake_count; i++)
        if (p->recipe->handshakes[i].learns)
            return true;
    return false;
}
