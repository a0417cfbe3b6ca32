/* config_test.c -- gaff.yaml as people write it: what the snapshot holds, where its values come
 * from, how it is shown. Mistakes are in config_mistakes_test.c. */
#include "config_rig.h"

#include "base/clock.h"

/* --- what is read ---------------------------------------------------------------------------- */

void test_config_defaults(void)
{
    struct config *c = config_new_default();
    EXPECT_EQ_INT(c->listen_count, 1);
    EXPECT_CSTR(c->listen[0].address, "127.0.0.1:8080");
    EXPECT_CSTR(c->admin_listen[0].address, "127.0.0.1:8081");
    EXPECT_EQ_INT(c->admin_token.n, 0);
    EXPECT_EQ_INT(c->durability, DURABILITY_DISK);
    EXPECT_EQ_INT(c->retention_age_ms, INT64_C(30) * 86400000);
    EXPECT_EQ_INT(c->retention_bytes, 0);
    EXPECT_EQ_INT(c->drain_timeout_ms, 25000);
    EXPECT_EQ_INT(c->log_level, LOG_INFO);
    EXPECT_EQ_INT(c->log_format, LOG_AUTO);
    EXPECT_EQ_INT(memcmp(&c->limits, &http_limits_default, sizeof(c->limits)), 0);
    EXPECT(str_ends(c->store, STR("/gaff-data")));
    EXPECT(str_starts(c->store, STR("sqlite:/")));
    config_unref(c);
}

void test_config_empty_file_is_every_default(void)
{
    struct config *c = load_good("");
    EXPECT_EQ_INT(c->source_count, 0);
    EXPECT_EQ_INT(c->limits.body_bytes_max, http_limits_default.body_bytes_max);
    config_unref(c);
    config_unref(load_good("# only a comment\n"));
}

void test_config_first_day(void)
{
    struct config *c = load_good("listen: 0.0.0.0:9000\n"
                                 "store: sqlite:data\n" GITHUB DEPLOY "  ci: { log: {file: x} }\n"
                                 "routes:\n"
                                 "  - name: push-main\n"
                                 "    from: github\n"
                                 "    match: { event: push, json: { ref: refs/heads/main } }\n"
                                 "    to: [deploy, ci]\n");
    EXPECT_EQ_INT(problems.count, 0);
    const struct source_config *s = source(c, "github");
    EXPECT_STR(s->path, "/in/github");
    EXPECT_EQ_INT(s->method_count, 1);
    EXPECT_STR(s->methods[0], "POST");
    EXPECT_STR(provider_id(s->provider), "github");
    EXPECT_EQ_INT(s->verifier.secret_count, 1);
    EXPECT_STR(s->verifier.secrets[0], SECRET);
    EXPECT_EQ_INT(s->dedupe_window_ms, 86400000);
    EXPECT_EQ_INT(s->body_bytes_max, 1048576);
    EXPECT(s->keep_rejected);
    EXPECT(!s->respond_set);
    EXPECT(!s->insecure);
    EXPECT_EQ_INT(s->route_count, 1);
    const struct route_config *r = c->routes[s->routes[0]];
    EXPECT_STR(r->name, "push-main");
    EXPECT(r->source == s);
    EXPECT_EQ_INT(r->to_count, 2);
    EXPECT(r->to[0] == destination(c, "deploy"));
    EXPECT(!r->stop);
    const struct destination_config *d = destination(c, "ci");
    EXPECT_EQ_INT(d->index, 1);
    EXPECT_CSTR(d->action->kind->name, "log");
    EXPECT_EQ_STR(c->store,
                  str_from_cstr(arena_cstr(
                      &c->arena, arena_printf(&c->arena, "sqlite:%s/data", c->directory))));
    config_unref(c);
}

void test_config_source_in_full(void)
{
    struct config *c = load_good(
        "public_url: https://hooks.example.org\n"
        "limits: { body_size: 2MiB }\n"
        "sources:\n"
        "  stripe:\n"
        "    provider: stripe\n"
        "    secrets: [\"${env:S}\", { value: \"${env:S}\", not_after: 2099-01-01T00:00:00Z }]\n"
        "    path: /stripe\n"
        "    methods: [POST, PUT]\n"
        "    dedupe: { window: 1h }\n"
        "    body_max: 5MiB\n"
        "    respond: { status: 202, headers: { X-A: no }, body: \"ok\" }\n"
        "    allow_from: [10.0.0.0/8, \"::1\"]\n"
        "    insecure: true\n"
        "    tolerance: 2m\n"
        "    keep_rejected: false\n"
        "  other: { provider: none, dedupe: off, respond: { status: 204 } }\n");
    const struct source_config *s = source(c, "stripe");
    int64_t until;
    EXPECT_EQ_INT(s->verifier.secret_count, 2);
    EXPECT(clock_parse(STR("2099-01-01T00:00:00Z"), &until));
    EXPECT_EQ_INT(c->expires_ms, until);
    EXPECT_STR(s->path, "/stripe");
    EXPECT_EQ_INT(s->method_count, 2);
    EXPECT_EQ_INT(s->dedupe_window_ms, 3600000);
    EXPECT_EQ_INT(s->body_bytes_max, 5 << 20);
    EXPECT(s->respond_set);
    EXPECT_EQ_INT(s->respond_status, 202);
    EXPECT_EQ_INT(s->respond_field_count, 1);
    EXPECT_STR(s->respond_fields[0].name, "X-A");
    EXPECT_STR(s->respond_fields[0].value, "no");
    EXPECT_STR(s->respond_body, "ok");
    EXPECT_EQ_INT(s->verifier.allow_count, 2);
    EXPECT_EQ_INT(s->verifier.tolerance_ms, 120000);
    EXPECT_STR(s->verifier.public_url, "https://hooks.example.org");
    EXPECT(s->insecure);
    EXPECT(!s->keep_rejected);
    const struct source_config *o = source(c, "other");
    EXPECT_EQ_INT(o->dedupe_window_ms, 0);
    EXPECT_EQ_INT(o->body_bytes_max, 2 << 20);
    EXPECT_EQ_INT(o->respond_status, 204);
    EXPECT_EQ_INT(o->respond_body.n, 0);
    config_unref(c);
}

void test_config_destination_in_full(void)
{
    struct config *c = load_good(
        GITHUB "destinations:\n"
               "  a:\n"
               "    log: {file: x}\n"
               "    concurrency: 4\n"
               "    rate: 100/m\n"
               "    order: fifo\n"
               "    order_by: \"{{ .repository.id }}\"\n"
               "    timeout: 45s\n"
               "    retry: { attempts: 5, backoff: exponential, first: 10s, max: 1m, "
               "jitter: 0.25 }\n"
               "  b: { log: {file: x}, retry: { schedule: [1s, 2m], jitter: 0 } }\n"
               "  c: { log: {file: x}, retry: { attempts: 4, backoff: linear, first: 2s } }\n"
               "  d: { log: {file: x}, retry: { attempts: 3, backoff: constant, first: 1d } }\n"
               "  e: { log: {file: x}, retry: { attempts: 1 } }\n"
               "  f: { log: {file: x} }\n"
               "  g: { log: {file: x}, retry: { schedule: [] } }\n"
               "routes: [{ from: github, to: [a, b, c, d, e, f, g] }]\n");
    const struct destination_config *d = destination(c, "a");
    EXPECT_EQ_INT(d->concurrency, 4);
    EXPECT_EQ_INT(d->rate.count, 100);
    EXPECT_EQ_INT(d->rate.per_ms, 60000);
    EXPECT(d->in_order);
    EXPECT(template_mentions(&d->order_by, STR(".")));
    EXPECT_EQ_INT(d->timeout_ms, 45000);
    EXPECT_EQ_INT(d->retry.wait_count, 4);
    static const int64_t exponential[] = {10000, 20000, 40000, 60000};
    EXPECT_EQ_INT(memcmp(d->retry.waits_ms, exponential, sizeof(exponential)), 0);
    EXPECT(d->retry.jitter > 0.24 && d->retry.jitter < 0.26);
    d = destination(c, "b");
    EXPECT_EQ_INT(d->retry.wait_count, 2);
    EXPECT_EQ_INT(d->retry.waits_ms[1], 120000);
    EXPECT(d->retry.jitter < 0.01);
    d = destination(c, "c");
    static const int64_t linear[] = {2000, 4000, 6000};
    EXPECT_EQ_INT(memcmp(d->retry.waits_ms, linear, sizeof(linear)), 0);
    d = destination(c, "d");
    EXPECT_EQ_INT(d->retry.wait_count, 2);
    EXPECT_EQ_INT(d->retry.waits_ms[0], 86400000);
    EXPECT_EQ_INT(destination(c, "e")->retry.wait_count, 0);
    d = destination(c, "f");
    int64_t sum = 0;
    EXPECT_EQ_INT(d->retry.wait_count, 9);
    for (size_t i = 0; i < d->retry.wait_count; i++)
        sum += d->retry.waits_ms[i];
    EXPECT_EQ_INT(sum, INT64_C(272105000)); /* 75.6 hours */
    EXPECT(!d->in_order);
    EXPECT_EQ_INT(d->order_by.count, 0);
    EXPECT_EQ_INT(destination(c, "g")->retry.wait_count, 0);
    config_unref(c);
}

void test_config_route_from_a_list_is_one_for_each(void)
{
    struct config *c = load_good("sources:\n"
                                 "  a: { provider: none }\n"
                                 "  b: { provider: none }\n"
                                 "destinations: { l: { log: {file: x} } }\n"
                                 "routes:\n"
                                 "  - { from: [a, b], match: { event: x }, to: [l], then: stop }\n"
                                 "  - { from: b, to: [l], then: continue }\n"
                                 "  - { name: last, from: b, to: [l] }\n");
    EXPECT_EQ_INT(c->route_count, 4);
    const struct source_config *a = source(c, "a"), *b = source(c, "b");
    EXPECT_EQ_INT(a->route_count, 1);
    EXPECT_EQ_INT(b->route_count, 3);
    EXPECT_STR(c->routes[a->routes[0]]->name, "a-1");
    EXPECT_STR(c->routes[b->routes[0]]->name, "b-1");
    EXPECT_STR(c->routes[b->routes[1]]->name, "b-2");
    EXPECT_STR(c->routes[b->routes[2]]->name, "last");
    EXPECT(c->routes[b->routes[0]]->stop);
    EXPECT(!c->routes[b->routes[1]]->stop);
    EXPECT(b->routes[0] < b->routes[1] && b->routes[1] < b->routes[2]);
    config_unref(c);
}

void test_config_listeners_and_limits(void)
{
    write_file("cert.pem", "x");
    write_file("key.pem", "x");
    struct config *c = load_good(
        "listen:\n"
        "  - 127.0.0.1:1\n"
        "  - { address: \"[::]:8443\", tls: { cert: cert.pem, key: key.pem } }\n"
        "  - { address: unix:run/in.sock, proxy_protocol: true }\n"
        "  - fd:3\n"
        "admin: { listen: 0.0.0.0:9, token: \"${env:S}\" }\n"
        "trusted_proxies: [10.0.0.0/8, 127.0.0.1]\n"
        "limits: { request_line: 4KiB, header_count: 50, header_timeout: 3s, body_rate: 1KiB,\n"
        "          connections: 7, connections_per_address: 5, chunk_extension: 0 }\n"
        "front_loops: 3\ndelivery_loops: 2\nretention: { age: 7d, size: 1GiB }\n"
        "log: { level: debug, format: json }\ndrain_timeout: 5s\n");
    EXPECT_EQ_INT(c->listen_count, 4);
    EXPECT(!c->listen[0].tls_cert);
    EXPECT(str_ends(str_from_cstr(c->listen[1].tls_cert), STR("/cert.pem")));
    EXPECT(c->listen[1].tls_key[0] == '/');
    EXPECT(str_starts(str_from_cstr(c->listen[2].address), STR("unix:/")));
    EXPECT(str_ends(str_from_cstr(c->listen[2].address), STR("/run/in.sock")));
    EXPECT(c->listen[2].proxy_protocol);
    EXPECT_CSTR(c->listen[3].address, "fd:3");
    EXPECT_EQ_INT(c->trusted_proxy_count, 2);
    EXPECT_EQ_STR(secret_str(&c->admin_token), STR(SECRET));
    EXPECT_EQ_INT(c->limits.request_line_max, 4096);
    EXPECT_EQ_INT(c->limits.header_count_max, 50);
    EXPECT_EQ_INT(c->limits.header_timeout_ms, 3000);
    EXPECT_EQ_INT(c->limits.body_rate_min, 1024);
    EXPECT_EQ_INT(c->limits.connections_max, 7);
    EXPECT_EQ_INT(c->limits.connections_per_address_max, 5);
    EXPECT_EQ_INT(c->limits.chunk_extension_max, 0);
    EXPECT_EQ_INT(c->limits.idle_timeout_ms, http_limits_default.idle_timeout_ms);
    EXPECT_EQ_INT(c->front_loops, 3);
    EXPECT_EQ_INT(c->delivery_loops, 2);
    EXPECT_EQ_INT(c->retention_age_ms, 7 * 86400000);
    EXPECT_EQ_INT(c->retention_bytes, 1 << 30);
    EXPECT_EQ_INT(c->log_level, LOG_DEBUG);
    EXPECT_EQ_INT(c->log_format, LOG_JSON);
    config_unref(c);
}

void test_config_inline_scheme(void)
{
    struct config *c =
        load_good("sources:\n"
                  "  a:\n"
                  "    verify: { scheme: hmac, hash: sha256, signature: { from: \"header:X-Sig\", "
                  "encoding: hex }, signed: \"{{ body }}\" }\n"
                  "    secret: \"${env:S}\"\n"
                  "  github: { provider: github, secret: \"${env:S}\" }\n");
    EXPECT(source(c, "a")->provider);
    EXPECT(source(c, "a")->provider != source(c, "github")->provider);
    EXPECT(source_authenticates(source(c, "a")));
    config_unref(c);
}

void test_config_options_reach_the_verifier(void)
{
    struct config *c = load_good("sources:\n"
                                 "  a: { provider: hmac, secret: \"${env:S}\", options: { header: "
                                 "X-My-Sig, hash: sha512 } }\n");
    const struct verifier_options *v = &source(c, "a")->verifier;
    EXPECT_EQ_INT(v->config_count, 2);
    EXPECT_STR(v->config_keys[0], "header");
    EXPECT_STR(v->config_values[1], "sha512");
    config_unref(c);
}

/* The places where YAML would guess a type: bytes arrive as written. */
void test_config_strings_stay_what_was_written(void)
{
    static const char *const words[] = {"no",   "on",   "1.10", "007",  "~",         "12:30",
                                        "0x1F", "null", "1e3",  "True", "1_000",     ".inf",
                                        "=",    "0o14", "y",    "+12",  "2026-11-23"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        char text[512];
        snprintf(text, sizeof(text),
                 "sources:\n  a:\n    provider: hmac\n    secret: \"${env:S}\"\n"
                 "    options: { prefix: %s }\n"
                 "    respond: { headers: { X-A: %s }, body: %s }\n",
                 words[i], words[i], words[i]);
        struct config *c = load_good(text);
        const struct source_config *s = source(c, "a");
        EXPECT_EQ_STR(s->verifier.config_values[0], str_from_cstr(words[i]));
        EXPECT_EQ_STR(s->respond_fields[0].value, str_from_cstr(words[i]));
        EXPECT_EQ_STR(s->respond_body, str_from_cstr(words[i]));
        config_unref(c);
    }
    struct config *c = load_good("sources:\n  a:\n    provider: none\n    respond:\n"
                                 "      body: |\n        two\n        lines\n");
    EXPECT_STR(source(c, "a")->respond_body, "two\nlines\n");
    config_unref(c);
}

void test_config_in_json(void)
{
    struct config *c =
        load_good("{\"sources\":{\"a\":{\"provider\":\"none\",\"dedupe\":{\"window\":"
                  "\"1h\"}}},\"front_loops\":2}");
    EXPECT_EQ_INT(c->front_loops, 2);
    EXPECT_EQ_INT(source(c, "a")->dedupe_window_ms, 3600000);
    config_unref(c);
}

/* --- references ------------------------------------------------------------------------------ */

static str expand(const char *scalar)
{
    static char kept[4096];
    char text[4096];
    snprintf(text, sizeof(text), "sources:\n  a: { provider: none, respond: { body: \"%s\" } }\n",
             scalar);
    struct config *c = load_good(text);
    str body = source(c, "a")->respond_body;
    memcpy(kept, body.p, body.n);
    str out = str_of(kept, body.n);
    config_unref(c);
    return out;
}

void test_config_references_are_put_into_one_scalar(void)
{
    setenv("NAME", "va: [lue]\n#x", 1);
    setenv("EMPTY", "", 1);
    setenv("LOOP", "${env:NAME}", 1);
    EXPECT_STR(expand("${env:NAME}"), "va: [lue]\n#x");
    EXPECT_STR(expand("a ${env:NAME} b ${env:EMPTY}c"), "a va: [lue]\n#x b c");
    EXPECT_STR(expand("${env:EMPTY}"), "");
    EXPECT_STR(expand("${env:LOOP}"), "${env:NAME}");
    EXPECT_STR(expand("$${env:NAME}"), "${env:NAME}");
    EXPECT_STR(expand("$$${env:NAME} $ $$ {x} $x"), "$${env:NAME} $ $$ {x} $x");
    EXPECT_STR(expand("${env:EMPTY}$${"), "${");
}

void test_config_references_to_files_and_credentials(void)
{
    mkdir(unit_path("creds"), 0700);
    write_file("one", "line\n");
    write_file("two", "a\nb\n\n");
    write_file("crlf", "x\r\n");
    write_file("creds/token", "credential\n");
    setenv("CREDENTIALS_DIRECTORY", unit_path("creds"), 1);
    EXPECT_STR(expand("${file:one}"), "line");
    EXPECT_STR(expand("${file:./one}"), "line");
    EXPECT_STR(expand("${file:two}"), "a\nb\n");
    EXPECT_STR(expand("${file:crlf}"), "x");
    char absolute[512];
    snprintf(absolute, sizeof(absolute), "<${file:%s}>", unit_path("one"));
    EXPECT_STR(expand(absolute), "<line>");
    EXPECT_STR(expand("${cred:token}"), "credential");
}

void test_config_reference_mistakes_name_their_place(void)
{
    unsetenv("MISSING");
    unsetenv("CREDENTIALS_DIRECTORY");
    expect_problem("log:\n  level: \"${env:\"\n",
                   "gaff.yaml:2:10: a ${ has no closing }; write $${ for "
                   "a literal ${");
    expect_problem("sources:\n  a: { provider: none, respond: { body: \"${env:MISSING}\" } }\n",
                   "gaff.yaml:2:41: environment variable MISSING is not set");
    expect_problem("sources:\n  a: { provider: none, respond: { body: \"x ${HOME}\" } }\n",
                   "gaff.yaml:2:41: unknown reference ${HOME}; known are ${env:NAME}, "
                   "${file:PATH} and ${cred:NAME}; write $${ for a literal ${");
    expect_problem("sources:\n  a: { provider: none, respond: { body: \"${env:A-B}\" } }\n",
                   "gaff.yaml:2:41: ${env:A-B} names no environment variable");
    expect_problem("sources:\n  a: { provider: none, respond: { body: \"${cred:x}\" } }\n",
                   "gaff.yaml:2:41: ${cred:x}: $CREDENTIALS_DIRECTORY is not set; systemd sets it "
                   "for a unit with LoadCredential=");
    setenv("CREDENTIALS_DIRECTORY", unit_path(""), 1);
    expect_problem("sources:\n  a: { provider: none, respond: { body: \"${cred:../x}\" } }\n",
                   "gaff.yaml:2:41: ${cred:../x}: the name of a credential has letters, digits, "
                   "'_', '-' and '.' only");
    EXPECT(!load("sources:\n  a: { provider: none, respond: { body: \"${file:nope}\" } }\n"));
    EXPECT(has_problem("gaff.yaml:2:41: "));
    EXPECT(has_problem("/nope"));
}

void test_config_reference_never_reaches_a_message(void)
{
    setenv("KEY", "hunter2hunter2", 1);
    EXPECT(!load(
        "listen: ${env:KEY}\ndrain_timeout: ${env:KEY}\nfront_loops: ${env:KEY}\n"
        "durability: ${env:KEY}\nlimits: { body_size: \"${env:KEY}\" }\n"
        "trusted_proxies: [\"${env:KEY}\"]\nstore: ${env:KEY}\n"
        "sources:\n  a: { provider: \"${env:KEY}\", path: \"${env:KEY}\", methods: "
        "[\"${env:KEY}\"], insecure: \"${env:KEY}\" }\n"
        "destinations:\n  b: { log: {file: x}, rate: \"${env:KEY}\", timeout: \"${env:KEY}\" }\n"
        "routes:\n  - { from: \"${env:KEY}\", to: [\"${env:KEY}\"], then: \"${env:KEY}\" "
        "}\n"));
    EXPECT(problems.errors >= 12);
    for (size_t i = 0; i < problems.count; i++)
        if (strstr(problems.v[i].text, "hunter2"))
            FAIL("%s", problems.v[i].text);
}

void test_config_readable_secret_file_is_a_warning(void)
{
    write_file("secret", "0123456789abcdef\n");
    const char *text = "sources:\n  a: { provider: github, secret: \"${file:secret}\" }\n";
    config_unref(load_good(text));
    EXPECT_EQ_INT(problems.count, 0);
    chmod(unit_path("secret"), 0644);
    config_unref(load_good(text));
    EXPECT_EQ_INT(problems.count, 1);
    EXPECT(problems.v[0].warning);
    EXPECT_HAS(problems.v[0].text,
               "gaff.yaml:2:34: warning: every user can read the secret in secret; chmod o-r ");
}

/* --- several files --------------------------------------------------------------------------- */

void test_config_conf_d_is_merged(void)
{
    mkdir(unit_path("conf.d"), 0700);
    write_file("gaff.yaml", DEPLOY);
    write_file("conf.d/b.yaml", "sources: { b: { provider: none } }\n"
                                "routes: [{ from: b, to: [l] }]\n");
    write_file("conf.d/a.yaml", "sources: { a: { provider: none } }\n"
                                "destinations: { l: { log: {file: x} } }\n"
                                "routes: [{ from: a, to: [l] }, { from: b, to: [l] }]\n");
    write_file("conf.d/empty.yaml", "");
    write_file("conf.d/.hidden.yaml", "bad: [");
    write_file("conf.d/notes.txt", "bad: [");
    struct config *c = config_load("gaff.yaml", NULL, &problems);
    if (!c)
        FAIL("%s", problems.v[0].text);
    EXPECT_EQ_INT(c->source_count, 2);
    EXPECT_STR(c->sources[0]->name, "a");
    EXPECT_EQ_INT(c->destination_count, 2);
    EXPECT_EQ_INT(c->route_count, 3);
    EXPECT_STR(c->routes[2]->name, "b-2");
    config_unref(c);
}

void test_config_conf_d_mistakes_name_both_places(void)
{
    mkdir(unit_path("conf.d"), 0700);
    write_file("gaff.yaml", "sources:\n  a: { provider: none }\n");
    write_file("conf.d/x.yaml", "sources:\n  a: { provider: none }\nlisten: 1.2.3.4:5\n");
    EXPECT(!config_load(unit_path("gaff.yaml"), NULL, &problems));
    EXPECT_EQ_INT(problems.count, 2);
    EXPECT_HAS(problems.v[0].text, "/conf.d/x.yaml:2:3: \"a\" is in sources already, at ");
    EXPECT_HAS(problems.v[0].text, "/gaff.yaml:2:3");
    EXPECT_HAS(problems.v[1].text, "/conf.d/x.yaml:3:1: unknown key \"listen\"");
}

void test_config_missing_file_says_so(void)
{
    EXPECT(!config_load("nowhere/gaff.yaml", NULL, &problems));
    EXPECT_EQ_INT(problems.count, 1);
    EXPECT_HAS(problems.v[0].text, "nowhere/gaff.yaml");
}

/* --- the environment ------------------------------------------------------------------------- */

void test_config_environment_wins_over_the_file(void)
{
    setenv("GAFF_LISTEN", "127.0.0.1:7", 1);
    setenv("GAFF_ADMIN__TOKEN", "from-environment", 1);
    setenv("GAFF_LOG__LEVEL", "error", 1);
    setenv("GAFF_STORE", "memory:", 1);
    setenv("GAFF_FRONT_LOOPS", "", 1);
    struct config *c = load_good("listen: 127.0.0.1:1\nlog: { level: debug }\nfront_loops: 2\n");
    EXPECT_EQ_INT(problems.count, 0);
    EXPECT_CSTR(c->listen[0].address, "127.0.0.1:7");
    EXPECT_STR(secret_str(&c->admin_token), "from-environment");
    EXPECT_EQ_INT(c->log_level, LOG_ERROR);
    EXPECT_STR(c->store, "memory:");
    EXPECT_EQ_INT(c->front_loops, 2);
    config_unref(c);
    setenv("GAFF_ADMIN__TOKEN", "literal ${env:NO} text", 1);
    c = load_good("");
    EXPECT_STR(secret_str(&c->admin_token), "literal ${env:NO} text");
    config_unref(c);
    setenv("GAFF_LOG__LEVEL", "loud", 1);
    expect_problem("", "environment GAFF_LOG__LEVEL:1:1: \"level\": expected debug, info, warn or "
                       "error, found \"${env:GAFF_LOG__LEVEL}\"");
}

/* --- life and description -------------------------------------------------------------------- */

void test_config_snapshot_is_counted(void)
{
    struct config *c = load_good(GITHUB DEPLOY ROUTE);
    EXPECT(config_ref(c) == c);
    config_unref(c);
    EXPECT_STR(source(c, "github")->name, "github");
    config_unref(c);
    config_unref(NULL);
}

void test_config_describe_shows_origin_and_no_secret(void)
{
    write_file("token", "filetokenfiletoken\n");
    struct config *c = load_good("listen: 127.0.0.1:9\n"
                                 "admin: { token: \"${file:token}\" }\n"
                                 "sources:\n"
                                 "  github:\n"
                                 "    provider: github\n"
                                 "    secrets: [\"${env:S}\", literalsecret, { value: othersecret "
                                 "}]\n" DEPLOY ROUTE);
    struct buf out;
    buf_init(&out, 1u << 20);
    config_describe(c, &out);
    const char *text = buf_cstr(&out);
    EXPECT(!strstr(text, SECRET));
    EXPECT(!strstr(text, "literalsecret"));
    EXPECT(!strstr(text, "othersecret"));
    EXPECT(!strstr(text, "filetoken"));
    EXPECT_HAS(text, "listen: [127.0.0.1:9]  # gaff.yaml:1\n");
    EXPECT_HAS(text, "  token: ****  # gaff.yaml:2\n");
    EXPECT_HAS(text, "log:\n  level: info  # default\n");
    EXPECT_HAS(text, "    secrets: [\"${env:S}\", ****, { value: **** }]  # gaff.yaml:6\n");
    EXPECT_HAS(text, "    path: /in/github  # default\n");
    EXPECT_HAS(text, "    exec: { command: [\"/bin/true\"] }  # gaff.yaml:8\n");
    EXPECT_HAS(text, "schedule: [5s, 5m, 30m, 2h, 5h, 10h, 14h, 20h, 1d], jitter: 0.1");
    EXPECT_HAS(text, "  - name: github-1  # gaff.yaml:10\n");
    EXPECT_HAS(text, "    match: everything\n");
    buf_release(&out);
    config_unref(c);
}

/* docs/reference/configuration.md holds the table that the settings give. */
void test_config_reference_is_up_to_date(void)
{
    struct arena a;
    struct reason why = {0};
    str page;
    struct buf table;
    arena_init(&a, 1u << 20);
    buf_init(&table, 1u << 20);
    EXPECT_OK(
        fs_read(&a, unit_source_path("docs/reference/configuration.md"), 1u << 19, &page, &why),
        why);
    config_settings_reference(&table);
    str rest = buf_str(&table);
    while (rest.n) {
        str line = str_cut(&rest, '\n');
        if (str_find_str(page, line) == page.n)
            FAIL("docs/reference/configuration.md lacks this line:\n" STR_FMT, STR_ARG(line));
    }
    buf_release(&table);
    arena_release(&a);
}
