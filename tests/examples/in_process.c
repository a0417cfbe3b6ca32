/* in_process.c -- the public library without sockets: gaff_test, gaff_sign, gaff_verify. Built
 * and run by programs.py; prints "fine" when all holds. */
#include <gaff.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static int calls, last_attempt, answered;
static int flaky(gaff_req *req, void *arg)
{
    (void)arg;
    calls++;
    last_attempt = gaff_attempt(req);
    if (!gaff_is(gaff_get(req, "a.b"), "c"))
        return 400;
    return gaff_is(gaff_event_type(req), "test") ? gaff_ok(req) : gaff_fail(req, 400, "type");
}
static int direct(gaff_req *req, void *arg)
{
    (void)arg;
    answered++;
    static const char *none;
    return gaff_json(req, 201, "{\"s\": %s, \"slice\": %.*s, \"n\": %lld, \"f\": %g, \"none\": %s}",
                     "quo\"te", GAFF_ARG(gaff_query(req, "q")), 1234567890123LL, 0.5, none);
}
static int item(gaff_req *req, void *arg)
{
    (void)arg;
    gaff_set_header(req, "X-Item", gaff_cstr(req, gaff_param(req, "id")));
    gaff_set_header(req, "X-Bad", "a\r\nInjected: 1");
    return gaff_text(req, 200, "%.*s", GAFF_ARG(gaff_param(req, "id")));
}
/* Cuts "Name: value\r\n"... */
static size_t fields_in(char *lines, gaff_field *out)
{
    size_t count = 0;
    for (char *end; (end = strstr(lines, "\r\n")); lines = end + 2) {
        char *colon = strchr(lines, ':');
        *colon = 0;
        out[count++] = (gaff_field){lines, {colon + 2, (size_t)(end - colon - 2)}};
    }
    return count;
}
#define CHECK(x)                                                                                   \
    do {                                                                                           \
        if (!(x)) {                                                                                \
            fprintf(stderr, "line %d: %s\n", __LINE__, #x);                                        \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)
int main(void)
{
    gaff_reply r;
    gaff_app *app = gaff_new(NULL);
    gaff_webhook_options o = {.provider = "github", .secret = "s3cret-s3cret"};
    gaff_webhook_options sync = {
        .provider = "github", .secret = "s3cret-s3cret", .synchronous = true};
    CHECK(gaff_webhook(app, "POST /hook", &o, flaky, NULL) == GAFF_OK);
    CHECK(gaff_webhook(app, "POST /now", &sync, direct, NULL) == GAFF_OK);
    CHECK(gaff_route(app, "GET /items/{id}", item, NULL) == GAFF_OK);
    CHECK(gaff_test(app, "POST /hook", NULL, "{\"a\":{\"b\":\"c\"}}", &r) == GAFF_OK);
    CHECK(r.status == 200 && strstr(r.body, "evt_"));
    gaff_reply_free(&r);
    CHECK(gaff_test_settle(app) == GAFF_OK && calls == 1 && last_attempt == 1);
    CHECK(gaff_test(app, "POST /hook", "X-Hub-Signature-256: sha256=00\r\n", "{}", &r) == GAFF_OK);
    CHECK(r.status == 401);
    gaff_reply_free(&r);
    CHECK(gaff_test(app, "POST /now?q=%41b", "", "{}", &r) == GAFF_OK && r.status == 401);
    CHECK(answered == 0);
    gaff_reply_free(&r);
    char signed_headers[1024], why[GAFF_WHY_MAX];
    gaff_secret secret = {"s3cret-s3cret", 0};
    gaff_message m = {.body = {"{}", 2}};
    CHECK(gaff_sign("github", &secret, 1, &m, 1700000000, signed_headers, sizeof(signed_headers),
                    why) == GAFF_OK);
    CHECK(gaff_test(app, "POST /now?q=%41b", signed_headers, "{}", &r) == GAFF_OK);
    CHECK(r.status == 201 && answered == 1);
    CHECK(!strcmp(r.body, "{\"s\": \"quo\\\"te\", \"slice\": \"Ab\", \"n\": 1234567890123, \"f\": "
                          "0.5, \"none\": null}"));
    gaff_reply_free(&r);
    CHECK(gaff_test(app, "GET /items/a%20b", "", NULL, &r) == GAFF_OK && r.status == 200);
    CHECK(!strcmp(r.body, "a b") && strstr(r.head, "X-Item: a b") && !strstr(r.head, "Injected"));
    gaff_reply_free(&r);
    CHECK(gaff_test(app, "GET /nothing", "", NULL, &r) == GAFF_OK && r.status == 404);
    gaff_reply_free(&r);
    gaff_field fields[8];
    gaff_secret other = {"another_secret", 0};
    CHECK(gaff_sign("stripe", &secret, 1, &m, 1700000000, signed_headers, sizeof(signed_headers),
                    why) == GAFF_OK);
    m.headers = fields;
    m.header_count = fields_in(signed_headers, fields);
    CHECK(gaff_verify("stripe", &secret, 1, &m, 1700000100, why) == GAFF_OK);
    CHECK(gaff_verify("stripe", &secret, 1, &m, 1700001000, why) == GAFF_STALE);
    CHECK(gaff_verify("stripe", &other, 1, &m, 1700000100, why) == GAFF_UNAUTHORIZED);
    CHECK(strstr(why, "Stripe-Signature does not match hmac-sha256"));
    CHECK(gaff_verify("strpe", &other, 1, &m, 1700000100, why) == GAFF_UNKNOWN);
    gaff_free(app);
    app = gaff_new(NULL);
    CHECK(gaff_webhook(app, "POST /x", NULL, flaky, NULL) == GAFF_INVALID);
    CHECK(strstr(gaff_error(app), "secret"));
    CHECK(gaff_start(app) == GAFF_INVALID);
    gaff_free(app);
    puts("fine");
    return 0;
}
