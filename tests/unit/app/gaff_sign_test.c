/* gaff_verify and gaff_sign as a program of somebody else calls them: every vector of tests/vectors
 * through the public header, ends of secrets, and the words of a refusal. */
#include "unit.h"

#include "base/fs.h"
#include "base/yaml.h"
#include "gaff.h"

#include <dirent.h>

#define FIELDS_MAX 32
#define NOW 1795443390

static gaff_str slice(str s)
{
    return (gaff_str){s.p, s.n};
}

static str scalar(const struct yaml *map, const char *key)
{
    const struct yaml *node = yaml_get(map, str_from_cstr(key));
    return node ? node->scalar : STR("");
}

static size_t fields_of(struct arena *a, const struct yaml *map, gaff_field *out)
{
    size_t count = 0;
    for (const struct yaml *n = map ? map->first : NULL; n; n = n->next) {
        EXPECT(count < FIELDS_MAX);
        out[count++] = (gaff_field){arena_cstr(a, n->key), slice(n->scalar)};
    }
    return count;
}

struct keys {
    struct arena *arena;
    const struct yaml *map;
    size_t asked;
};

static gaff_str key_at(const char *url, void *arg)
{
    struct keys *k = arg;
    const struct yaml *found = k->map ? yaml_get(k->map, str_from_cstr(url)) : NULL;
    k->asked++;
    return found ? slice(found->scalar) : (gaff_str){NULL, 0};
}

/* Verified as it is; refused without a secret, and when nothing is in it. */
static void try_case(struct arena *a, const char *file, const struct yaml *top,
                     const struct yaml *node)
{
    gaff_field headers[FIELDS_MAX], options[FIELDS_MAX];
    char why[GAFF_WHY_MAX] = "";
    int64_t now_ms = NOW * 1000LL;
    str url = scalar(node, "url"), method = scalar(node, "method"), now = scalar(node, "now");
    str peer = scalar(node, "peer"), secret = scalar(node, "secret");
    const char *provider = arena_cstr(a, scalar(top, "provider"));
    struct keys keys = {a, yaml_get(node, STR("keys")), 0};
    EXPECT(!now.n || str_to_i64(now, &now_ms));
    gaff_secret one = {arena_cstr(a, secret), 0};
    gaff_message m = {.method = method.n ? arena_cstr(a, method) : NULL,
                      .url = url.n ? arena_cstr(a, url) : NULL,
                      .headers = headers,
                      .header_count = fields_of(a, yaml_get(node, STR("headers")), headers),
                      .body = slice(scalar(node, "body")),
                      .peer = peer.n ? arena_cstr(a, peer) : "203.0.113.9",
                      .options = options,
                      .option_count = fields_of(a, yaml_get(node, STR("options")), options),
                      .fetch = key_at,
                      .fetch_arg = &keys};
    size_t count = secret.n ? 1 : 0;
    if (gaff_verify(provider, &one, count, &m, now_ms / 1000, why) != GAFF_OK)
        FAIL("%s: " STR_FMT ": %s", file, STR_ARG(scalar(node, "name")), why);
    EXPECT(!keys.map || keys.asked > 0);
    m.fetch = NULL;
    if (keys.map) {
        EXPECT(gaff_verify(provider, &one, count, &m, now_ms / 1000, why) == GAFF_UNAUTHORIZED);
        EXPECT_HAS(why, "could not be fetched");
    }
    m.fetch = key_at;
    if (count && gaff_verify(provider, &one, 0, &m, now_ms / 1000, why) == GAFF_OK)
        FAIL("%s: verified without a secret", file);
    m = (gaff_message){.options = options, .option_count = m.option_count};
    EXPECT(gaff_verify(provider, &one, count, &m, now_ms / 1000, why) != GAFF_OK);
}

void test_gaff_sign_every_vector_is_verified_alone(void)
{
    struct arena a;
    struct dirent **names;
    size_t cases = 0;
    arena_init(&a, 64u << 20);
    int n = scandir(unit_source_path("tests/vectors"), &names, NULL, alphasort);
    for (int i = 0; i < n; free(names[i++])) {
        char path[300];
        str text;
        struct reason why;
        snprintf(path, sizeof(path), "tests/vectors/%s", names[i]->d_name);
        if (!str_ends(str_from_cstr(path), STR(".yaml")))
            continue;
        EXPECT_OK(fs_read(&a, unit_source_path(path), 1u << 20, &text, &why), why);
        const struct yaml *top = yaml_parse(&a, str_from_cstr(path), text, &why);
        EXPECT(top);
        /* Two of each file: compiling the provider for every call is what takes the time. */
        const struct yaml *c = yaml_get(top, STR("cases"))->first;
        for (size_t k = 0; c && k < 2; k++, c = c->next, cases++)
            try_case(&a, names[i]->d_name, top, c);
    }
    free(names);
    EXPECT(cases > 300);
    arena_release(&a);
}

/* "Name: value\r\n"... */
static size_t fields_in(char *lines, gaff_field *out)
{
    size_t count = 0;
    for (char *line = lines, *end; (end = strstr(line, "\r\n")); line = end + 2) {
        char *colon = strstr(line, ": ");
        EXPECT(colon && colon < end && count < FIELDS_MAX);
        *colon = '\0';
        out[count++] = (gaff_field){line, {colon + 2, (size_t)(end - colon - 2)}};
    }
    return count;
}

static gaff_err verify_at(const char *provider, const gaff_secret *secrets, size_t count,
                          const gaff_message *m, int64_t now, char why[GAFF_WHY_MAX])
{
    why[0] = '\0';
    gaff_err e = gaff_verify(provider, secrets, count, m, now, why);
    EXPECT(strlen(why) > 10);
    return e;
}

void test_gaff_sign_what_is_signed_is_verified_by_each_secret_until_it_ends(void)
{
    char lines[1024], why[GAFF_WHY_MAX];
    gaff_field fields[FIELDS_MAX];
    gaff_secret old = {"an old secret", NOW + 100}, new = {"the new secret", 0};
    gaff_secret both[] = {new, old};
    gaff_message m = {.url = "https://example.org/hook", .body = {"{\"a\": 1}", 8}};
    EXPECT(gaff_sign("stripe", &old, 1, &m, NOW, lines, sizeof(lines), why) == GAFF_OK);
    m.headers = fields;
    m.header_count = fields_in(lines, fields);
    EXPECT(verify_at("stripe", both, 2, &m, NOW, why) == GAFF_OK);
    EXPECT_HAS(why, "secret 2 of 2");
    EXPECT(verify_at("stripe", both, 2, &m, NOW + 99, why) == GAFF_OK);
    EXPECT(verify_at("stripe", both, 2, &m, NOW + 100, why) == GAFF_UNAUTHORIZED);
    EXPECT(verify_at("stripe", &old, 1, &m, NOW + 100, why) == GAFF_INVALID);
    EXPECT_HAS(why, "has ended");
    EXPECT(verify_at("stripe", &new, 1, &m, NOW, why) == GAFF_UNAUTHORIZED);
    old.not_after = 0;
    EXPECT(verify_at("stripe", &old, 1, &m, NOW + 400, why) == GAFF_STALE);
    EXPECT(!strstr(why, "old secret") && !strstr(why, "new secret"));
}

void test_gaff_sign_the_url_counts_where_it_is_signed(void)
{
    char lines[1024], why[GAFF_WHY_MAX];
    gaff_field fields[FIELDS_MAX] = {{"Content-Type", {"application/x-www-form-urlencoded", 33}}};
    gaff_secret s = {"12345", 0};
    gaff_message m = {.url = "https://example.org:8443/sms?foo=1",
                      .body = {"Digits=1234&From=%2B1", 21},
                      .headers = fields,
                      .header_count = 1};
    EXPECT(gaff_sign("twilio", &s, 1, &m, NOW, lines, sizeof(lines), why) == GAFF_OK);
    m.header_count = 1 + fields_in(lines, fields + 1);
    EXPECT(verify_at("twilio", &s, 1, &m, NOW, why) == GAFF_OK);
    m.url = "http://example.org:8443/sms?foo=1";
    EXPECT(verify_at("twilio", &s, 1, &m, NOW, why) == GAFF_UNAUTHORIZED);
    EXPECT_HAS(why, "The secret is right and the URL differs");
    m.url = "https://example.org:8443/sms?foo=2";
    EXPECT(verify_at("twilio", &s, 1, &m, NOW, why) == GAFF_UNAUTHORIZED);
    m.url = "/sms?foo=1";
    EXPECT(verify_at("twilio", &s, 1, &m, NOW, why) == GAFF_UNAUTHORIZED);
    EXPECT_HAS(why, "url is part of what");
    m.url = "https://a b/";
    EXPECT(verify_at("twilio", &s, 1, &m, NOW, why) == GAFF_INVALID);
}

void test_gaff_sign_why_names_the_usual_cause(void)
{
    char lines[1024], why[GAFF_WHY_MAX];
    gaff_field fields[FIELDS_MAX];
    gaff_secret s = {"It's a Secret to Everybody", 0};
    gaff_message m = {.body = {"{\"a\":1}", 7}, .event_type = "push"};
    EXPECT(gaff_sign("github", &s, 1, &m, NOW, lines, sizeof(lines), why) == GAFF_OK);
    EXPECT_HAS(lines, "X-GitHub-Event: push\r\n");
    m.headers = fields;
    m.header_count = fields_in(lines, fields);
    m.body = (gaff_str){"{ \"a\": 1 }", 10};
    EXPECT(verify_at("github", &s, 1, &m, NOW, why) == GAFF_UNAUTHORIZED);
    EXPECT_HAS(why, "something printed it anew");
    fields[m.header_count] = fields[0];
    m.header_count++;
    EXPECT(verify_at("github", &s, 1, &m, NOW, why) == GAFF_UNAUTHORIZED);
    EXPECT_HAS(why, "more than once");
    m.header_count = 0;
    EXPECT(verify_at("github", &s, 1, &m, NOW, why) == GAFF_UNAUTHORIZED);
    EXPECT_HAS(why, "is missing");
}

void test_gaff_sign_what_cannot_be_is_told(void)
{
    char lines[1024], why[GAFF_WHY_MAX];
    gaff_secret s = {"a secret", 0}, empty = {"", 0};
    gaff_secret many[9] = {s, s, s, s, s, s, s, s, s};
    gaff_field field = {"A", {"b", 1}};
    gaff_message m = {.body = {"{}", 2}};
    EXPECT(verify_at("githb", &s, 1, &m, NOW, why) == GAFF_UNKNOWN);
    EXPECT_HAS(why, "did you mean \"github\"?");
    EXPECT(verify_at("github", &empty, 1, &m, NOW, why) == GAFF_INVALID);
    EXPECT(verify_at("github", NULL, 0, &m, NOW, why) == GAFF_INVALID);
    EXPECT(verify_at("github", many, 9, &m, NOW, why) == GAFF_INVALID);
    EXPECT(verify_at("none", NULL, 0, &m, NOW, why) == GAFF_UNAUTHORIZED);
    EXPECT(verify_at("github", &s, 1, &m, INT64_MAX, why) == GAFF_INVALID);
    m.headers = &field;
    m.header_count = 201;
    EXPECT(verify_at("github", &s, 1, &m, NOW, why) == GAFF_LIMIT);
    m.header_count = 0;
    EXPECT(gaff_sign("github", &s, 1, &m, NOW, lines, 40, why) == GAFF_LIMIT);
    EXPECT(gaff_sign("github", NULL, 0, &m, NOW, lines, sizeof(lines), NULL) == GAFF_INVALID);
    EXPECT(gaff_sign("aws-sns", NULL, 0, &m, NOW, lines, sizeof(lines), why) == GAFF_INVALID);
    EXPECT_CSTR(lines, "");
}
