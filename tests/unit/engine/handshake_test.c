/* Handshakes through a whole engine: which methods get in, what is learned and kept, and that
 * nothing of it lets an event in that is not signed. */
#include "stage.h"

#include "base/fs.h"
#include "engine/secret_book.h"

#define CONFIG                                                                                     \
    "sources:\n"                                                                                   \
    "  hub:\n    secret: \"0123456789abcdef\"\n    verify:\n      scheme: hmac\n"                  \
    "      hash: sha256\n      signature: { from: \"header:S\", encoding: hex }\n"                 \
    "      signed: \"{{ body }}\"\n      handshake:\n"                                             \
    "        - when: { method: GET, \"query:mode\": subscribe, \"query:challenge\": \"*\" }\n"     \
    "          needs-signature: false\n          reply: { body: \"{{ query:challenge }}\" }\n"     \
    "        - when: { method: HEAD }\n          needs-signature: false\n"                         \
    "          reply: { status: 200 }\n"                                                           \
    "        - when: { method: OPTIONS, \"header:WebHook-Request-Origin\": \"example.org\" }\n"    \
    "          needs-signature: false\n          reply:\n"                                         \
    "            header: { WebHook-Allowed-Origin: \"example.org\", WebHook-Allowed-Rate: "        \
    "\"120\", Allow: POST }\n"                                                                     \
    "  hook:\n    verify:\n      scheme: hmac\n      hash: sha256\n"                               \
    "      signature: { from: \"header:X-Hook-Signature\", encoding: hex }\n"                      \
    "      signed: \"{{ body }}\"\n      handshake:\n"                                             \
    "        - when: { \"header:X-Hook-Secret\": \"*\" }\n          needs-signature: false\n"      \
    "          learn-secret: \"header:X-Hook-Secret\"\n          reply:\n"                         \
    "            header: { X-Hook-Secret: \"{{ header:X-Hook-Secret }}\" }\n"                      \
    "  plain: { provider: github, secret: \"0123456789abcdef\" }\n"                                \
    "destinations:\n  one: { handler: { index: 0 }, retry: { attempts: 1 } }\n"                    \
    "routes:\n  - { from: [hub, hook, plain], to: [one] }\n"

static struct stage_reply reply;
static const char *const none[] = {NULL};

void test_handshake_methods_open_only_for_those_that_greet(void)
{
    static const char *const origin[] = {"WebHook-Request-Origin: example.org", NULL};
    static const char *const other[] = {"WebHook-Request-Origin: evil.example", NULL};
    struct stage s;
    stage_init(&s);
    stage_start(&s, CONFIG);
    stage_request(&s, "GET", "/in/hub?mode=subscribe&challenge=abc", none, STR(""), &reply);
    EXPECT_EQ_INT(reply.status, 200);
    EXPECT_CSTR(reply.body, "abc");
    stage_request(&s, "GET", "/in/hub?mode=other&challenge=abc", none, STR(""), &reply);
    EXPECT_EQ_INT(reply.status, 405);
    EXPECT_HAS(reply.head, "Allow: POST");
    stage_request(&s, "OPTIONS", "/in/hub", origin, STR(""), &reply);
    EXPECT_EQ_INT(reply.status, 200);
    EXPECT_HAS(reply.head, "WebHook-Allowed-Origin: example.org");
    EXPECT_HAS(reply.head, "WebHook-Allowed-Rate: 120");
    stage_request(&s, "OPTIONS", "/in/hub", other, STR(""), &reply);
    EXPECT_EQ_INT(reply.status, 405);
    stage_request(&s, "HEAD", "/in/hub", none, STR(""), &reply);
    EXPECT_EQ_INT(reply.status, 200);
    stage_request(&s, "GET", "/in/plain?mode=subscribe&challenge=abc", none, STR(""), &reply);
    EXPECT_EQ_INT(reply.status, 405);
    stage_request(&s, "HEAD", "/in/plain", none, STR(""), &reply);
    EXPECT_EQ_INT(reply.status, 405);
    EXPECT_EQ_UINT(stage_counts(&s).events, 0);
    stage_release(&s);
}

void test_handshake_learns_a_secret_once_and_verifies_by_it(void)
{
    static const char *const asks[] = {"X-Hook-Secret: learned-secret-1", NULL};
    static const char *const asks_other[] = {"X-Hook-Secret: attackers-secret", NULL};
    /* HMAC-SHA256 of {"n":1} under learned-secret-1, by Python's hmac */
    static const char *const right[] = {
        "X-Hook-Signature: 5c83a6cf2f7fd028fb498977770609378bba23889d1d2e7d4904facd6fad1c19", NULL};
    struct stage s;
    struct secret known = {0};
    struct reason why;
    stage_init(&s);
    stage_start(&s, CONFIG);
    stage_request(&s, "POST", "/in/hook", right, STR("{\"n\":1}"), &reply);
    EXPECT_EQ_INT(reply.status, 401); /* before anything is learned */
    stage_request(&s, "POST", "/in/hook", asks, STR(""), &reply);
    EXPECT_EQ_INT(reply.status, 200);
    EXPECT_HAS(reply.head, "X-Hook-Secret: learned-secret-1");
    struct secret_book *book = engine_core(s.engine)->secrets;
    EXPECT(secret_book_learned(book, STR("hook"), &known));
    EXPECT_STR(secret_str(&known), "learned-secret-1");
    secret_release(&known);
    stage_request(&s, "POST", "/in/hook", right, STR("{\"n\":1}"), &reply);
    EXPECT_EQ_INT(reply.status, 200);
    stage_request(&s, "POST", "/in/hook", right, STR("{\"n\":2}"), &reply);
    EXPECT_EQ_INT(reply.status, 401);
    stage_request(&s, "POST", "/in/hook", asks, STR(""), &reply); /* the same again is fine */
    EXPECT_EQ_INT(reply.status, 200);
    stage_request(&s, "POST", "/in/hook", asks_other, STR(""), &reply);
    EXPECT_EQ_INT(reply.status, 401);
    EXPECT(secret_book_learn(book, STR("hook"), STR("another-one"), &why) == ERR_CONFLICT);
    EXPECT_OK(secret_book_forget(book, STR("hook"), &why), why);
    EXPECT(secret_book_forget(book, STR("hook"), &why) == ERR_NOT_FOUND);
    EXPECT_EQ_UINT(stage_counts(&s).events, 1);
    stage_release(&s);
}

void test_secret_book_keeps_uses_and_learned_secrets_on_disk(void)
{
    struct clock_fake clock;
    struct reason why;
    struct secret known = {0};
    clock_fake_init(&clock, STAGE_START_MS);
    struct secret_book *b = secret_book_new(&clock.base, ".");
    struct secret_use *u = secret_book_use(b, STR("a"), STR("first-secret"));
    struct secret_use *other = secret_book_use(b, STR("a"), STR("second-secret"));
    EXPECT(u && u != other && u == secret_book_use(b, STR("a"), STR("first-secret")));
    EXPECT(!strstr(u->fingerprint, "first"));
    atomic_store(&u->last_used_ms, STAGE_START_MS + 5);
    EXPECT_OK(secret_book_learn(b, STR("a"), STR("given-secret"), &why), why);
    secret_book_free(b);
    b = secret_book_new(&clock.base, ".");
    u = secret_book_use(b, STR("a"), STR("first-secret"));
    EXPECT_EQ_INT(atomic_load(&u->last_used_ms), STAGE_START_MS + 5);
    EXPECT(!secret_is_idle(u, STAGE_START_MS + SECRET_IDLE_WARN_MS + 5));
    EXPECT(secret_is_idle(u, STAGE_START_MS + SECRET_IDLE_WARN_MS + 6));
    EXPECT(secret_book_learned(b, STR("a"), &known));
    EXPECT_STR(secret_str(&known), "given-secret");
    secret_release(&known);
    EXPECT(!secret_book_learned(b, STR("b"), &known));
    secret_book_free(b);
}

static struct seal *seal_of(const char *key)
{
    struct reason why;
    struct seal *s = seal_new(str_from_cstr(key), &why);
    if (!s)
        FAIL("%s", why.text);
    return s;
}

/* Opens the book of this directory under a seal; the secret of source "a" in it is `secret`, and
 * its file has that in clear or has not. */
static void expect_learned(const struct seal *seal, const char *secret, bool in_clear)
{
    struct clock_fake clock;
    struct reason why;
    struct secret known = {0};
    struct arena a;
    str file;
    arena_init(&a, 1u << 16);
    clock_fake_init(&clock, STAGE_START_MS);
    struct secret_book *b = secret_book_new(&clock.base, ".");
    EXPECT_OK(secret_book_seal(b, seal, &why), why);
    if (!secret_book_learned(b, STR("a"), &known)) {
        EXPECT_OK(secret_book_learn(b, STR("a"), str_from_cstr(secret), &why), why);
        EXPECT(secret_book_learned(b, STR("a"), &known));
    }
    EXPECT_EQ_STR(secret_str(&known), str_from_cstr(secret));
    secret_release(&known);
    secret_book_free(b);
    EXPECT_OK(fs_read(&a, "learned/a", 4096, &file, &why), why);
    EXPECT(str_eq(file, str_from_cstr(secret)) == in_clear);
    EXPECT(seal_is_sealed(file) != in_clear);
    arena_release(&a);
}

void test_secret_book_seals_what_is_learned_and_was_kept_in_clear(void)
{
    struct clock_fake clock;
    struct reason why;
    struct seal *first = seal_of("a-key-of-thirty-two-characters-AA");
    struct seal *second =
        seal_of("a-key-of-thirty-two-characters-BB a-key-of-thirty-two-characters-CC");
    struct seal *former = seal_of("a-key-of-thirty-two-characters-CC");
    clock_fake_init(&clock, STAGE_START_MS);
    expect_learned(NULL, "given-secret", true);
    expect_learned(former, "given-secret", false); /* as a version before had left it */
    expect_learned(second, "given-secret", false); /* a new key before the former */
    struct secret_book *b = secret_book_new(&clock.base, ".");
    EXPECT(secret_book_seal(b, former, &why) == ERR_DENIED); /* it is under the new one now */
    EXPECT(secret_book_seal(b, first, &why) == ERR_DENIED);
    EXPECT(secret_book_seal(b, NULL, &why) == ERR_INVALID);
    EXPECT_HAS(why.text, "GAFF_SECRET_KEY");
    /* Bound to its source: another's file stands for nothing. */
    EXPECT(rename("learned/a", "learned/b") == 0);
    EXPECT(secret_book_seal(b, second, &why) == ERR_DENIED);
    secret_book_free(b);
    seal_free(first);
    seal_free(second);
    seal_free(former);
}
