/* config_mistakes_test.c -- what is said about every mistake in gaff.yaml: its place and the fix.
 */
#include "config_rig.h"

#define SRC(text) "sources:\n  a: { provider: none, " text " }\n"
#define DST(text) GITHUB "destinations:\n  d: { " text " }\nroutes: [{ from: github, to: [d] }]\n"
#define RT(text) GITHUB DEPLOY "routes:\n  - " text "\n"

static const struct {
    const char *text, *problem;
} mistakes[] = {
    {"lisen: 127.0.0.1:80\n", "gaff.yaml:1:1: unknown key \"lisen\"; did you mean \"listen\"?"},
    {"- a\n", "gaff.yaml:1:1: expected a mapping of settings, as listen: 127.0.0.1:8080"},
    {"a: [\n", "gaff.yaml:2:1: did not find expected node content while parsing a flow node that "
               "begins in line 2"},
    {"listen: 8080\n", "gaff.yaml:1:9: expected an address, HOST:PORT as 127.0.0.1:8080 or "
                       "[::1]:8080, unix:PATH or fd:NUMBER, found \"8080\""},
    {"listen: 127.0.0.1:99999\n",
     "gaff.yaml:1:9: expected an address, HOST:PORT as 127.0.0.1:8080 or [::1]:8080, unix:PATH or "
     "fd:NUMBER, found \"127.0.0.1:99999\""},
    {"listen: { tls: {} }\n", NULL},
    {"listen: { address: \"h:1\", tls: { cert: /nope, key: /dev/null } }\n",
     "gaff.yaml:1:40: cannot read the TLS certificate /nope: No such file or directory"},
    {"admin: { listen: 0.0.0.0:80 }\n",
     "gaff.yaml:1:18: the admin address 0.0.0.0:80 can be reached from other machines and has no "
     "token; write admin: { token: \"${env:GAFF_TOKEN}\" } or listen on 127.0.0.1"},
    {"admin: { tokn: x }\n",
     "gaff.yaml:1:10: unknown key \"tokn\" in \"admin\"; did you mean \"token\"?"},
    {"admin: { token: \"\" }\n",
     "gaff.yaml:1:17: the token is empty; leave it out to have one made"},
    {"log: { level: inf }\n", "gaff.yaml:1:15: \"level\": expected debug, info, warn or error, "
                              "found \"inf\"; did you mean \"info\"?"},
    {"limits: { header_timeout: 10 }\n",
     "gaff.yaml:1:27: \"header_timeout\": expected a duration: a number and one unit (ms s m h d), "
     "as 30s, found \"10\""},
    {"limits: { body_size: 1GiB }\n",
     "gaff.yaml:1:22: \"body_size\": expected a size from 1B to 25MiB, found \"1GiB\""},
    {"limits: { header_cnt: 5 }\n",
     "gaff.yaml:1:11: unknown key \"header_cnt\" in \"limits\"; did you mean \"header_count\"?"},
    {"front_loops: 0x2\n",
     "gaff.yaml:1:14: \"front_loops\": expected a whole number from 0 to 64, found \"0x2\""},
    {"store: mysql://x\n", "gaff.yaml:1:8: expected sqlite:DIRECTORY, "
                           "postgres://USER@HOST/DATABASE or memory:, found \"mysql://x\""},
    {"store: postgres://x\n",
     "gaff.yaml:1:8: a store on PostgreSQL needs admin.token: without a directory there is no "
     "place for one that is made; write admin: { token: \"${env:GAFF_TOKEN}\" }"},
    {"require_replicated: true\n",
     "gaff.yaml:1:21: require_replicated is for a store on PostgreSQL; this one is not"},
    {"public_url: hooks.example.org\n", "gaff.yaml:1:13: expected an address without a slash at "
                                        "the end, as https://hooks.example.org"},
    {"portal: { url: \"https://hooks.example.org/\" }\n",
     "gaff.yaml:1:16: expected an address without a slash at the end, as "
     "https://hooks.example.org"},
    {"portal: { origins: [\"https://app.example.com/\"] }\n",
     "gaff.yaml:1:21: expected the origin of a page, as https://app.example.com, found "
     "\"https://app.example.com/\""},
    {"portal: { origins: [\"https://a.example; script-src *\"] }\n",
     "gaff.yaml:1:21: expected the origin of a page, as https://app.example.com, found "
     "\"https://a.example; script-src *\""},
    {"portal: { origins: [\"https://app.example.com:99999\"] }\n",
     "gaff.yaml:1:21: expected the origin of a page, as https://app.example.com, found "
     "\"https://app.example.com:99999\""},
    {"portal: { origins: [\"*\"] }\n",
     "gaff.yaml:1:21: expected the origin of a page, as https://app.example.com, found "
     "\"*\""},
    {"portal: { origins: https://app.example.com }\n",
     "gaff.yaml:1:20: \"origins\": expected a list, found \"https://app.example.com\"; write it in "
     "brackets: [ ... ]"},
    {"trusted_proxies: [10.0.0.1/8]\n",
     "gaff.yaml:1:19: expected an address or a range without host bits, as 10.0.0.0/8, found "
     "\"10.0.0.1/8\""},
    {"trusted_proxies: 10.0.0.0/8\n", "gaff.yaml:1:18: \"trusted_proxies\": expected a list, found "
                                      "\"10.0.0.0/8\"; write it in brackets: [ ... ]"},
    {"presets: /nowhere\n", "gaff.yaml:1:10: there is no directory /nowhere"},
    {"sources:\n  GitHub: { provider: none }\n",
     "gaff.yaml:2:3: \"GitHub\" cannot be the name of a source: use a-z, 0-9, '_' and '-', "
     "beginning with a letter or digit, at most 63 bytes"},
    {"sources:\n  a: { provider: githb, secret: \"${env:S}\" }\n",
     "gaff.yaml:2:18: unknown provider \"githb\"; did you mean \"github\"?"},
    {"sources:\n  a: {}\n", NULL},
    {"sources:\n  my-hub: { provider: github }\n",
     "gaff.yaml:2:3: source \"my-hub\" has no secret; write secrets: [\"${env:MY_HUB_SECRET}\"] "
     "and set MY_HUB_SECRET to the secret that GitHub signs with"},
    {SRC("secret: \"${env:S}\""), "gaff.yaml:2:24: provider \"none\" uses no secret; take it out, "
                                  "or choose a provider that checks it"},
    {"sources:\n  a: { provider: github, secert: x, secret: \"${env:S}\" }\n",
     "gaff.yaml:2:26: unknown key \"secert\" in \"a\"; did you mean \"secret\"?"},
    {"sources:\n  a: { provider: github, secrets: \"${env:S}\" }\n",
     "gaff.yaml:2:35: expected a list, as secrets: [\"${env:NAME}\"]; one alone is secret:"},
    {"sources:\n  a: { provider: github, secret: \"\" }\n", "gaff.yaml:2:34: the secret is empty"},
    {"sources:\n  a: { provider: github, secrets: [{ value: \"${env:S}\", not_after: soon }] }\n",
     "gaff.yaml:2:68: expected a time, as 2027-01-31T00:00:00Z, found \"soon\""},
    {SRC("verify: { scheme: none }"),
     "gaff.yaml:2:24: a source has either a provider or a verify: scheme of its own, not both"},
    {SRC("path: in/x"), "gaff.yaml:2:30: expected a path that begins with '/', without blanks, '?' "
                        "or '#', found \"in/x\""},
    {SRC("methods: [POTS]"), "gaff.yaml:2:34: expected POST, GET, PUT, PATCH or DELETE, found "
                             "\"POTS\"; did you mean \"POST\"?"},
    {SRC("dedupe: 24h"), "gaff.yaml:2:32: expected off, or a mapping as { window: 24h }"},
    {SRC("body_max: 26MiB"),
     "gaff.yaml:2:34: \"body_max\": expected a size from 1B to 25MiB, found \"26MiB\""},
    {SRC("insecure: yes"), "gaff.yaml:2:34: \"insecure\": expected true or false, found \"yes\""},
    {SRC("respond: { status: 302 }"),
     "gaff.yaml:2:43: \"status\": expected a whole number from 200 to 299, found \"302\""},
    {SRC("respond: { headers: { Content-Length: 5 } }"),
     "gaff.yaml:2:46: Content-Length is set by the server itself"},
    {SRC("respond: { headers: { X-A: \"a\\r\\nb\" } }"),
     "gaff.yaml:2:51: the value of a header field has no line breaks or control bytes"},
    {SRC("options: { a: [b] }"), "gaff.yaml:2:38: \"a\": expected a string, found a list"},
    {"sources:\n  a: { provider: none, path: /x }\n  b: { provider: none, path: /x }\n",
     "gaff.yaml:3:30: sources \"a\" and \"b\" both take POST /x; give one another path"},
    {DST("htp: {}"), "gaff.yaml:4:8: unknown key \"htp\" in \"d\"; did you mean \"http\"?"},
    {DST("concurrency: 2"), NULL},
    {DST("log: {file: x}, exec: { command: [/bin/true] }"),
     "gaff.yaml:4:24: a destination does one thing: \"log\" is there already; make two "
     "destinations and name both in the route"},
    {DST("log: {file: x}, concurrency: 0"),
     "gaff.yaml:4:37: \"concurrency\": expected a whole number from 1 to 4096, found \"0\""},
    {DST("log: {file: x}, rate: 100"),
     "gaff.yaml:4:30: \"rate\": expected a rate: a number, '/' and a "
     "unit (s m h d), as 100/s, found \"100\""},
    {DST("log: {file: x}, order: fiffo"),
     "gaff.yaml:4:31: \"order\": expected any or fifo, found \"fiffo\"; did you mean \"fifo\"?"},
    {DST("log: {file: x}, order_by: constant"),
     "gaff.yaml:4:34: order_by names no field of the event; write one as \"{{ .repository.id }}\""},
    {DST("log: {file: x}, order: any, order_by: \"{{ .id }}\""),
     "gaff.yaml:4:46: order_by has no meaning with order: any; write order: fifo"},
    {DST("log: {file: x}, order_by: \"{{ nosuch:x }}\""),
     "gaff.yaml:4:34: unknown reference {{ nosuch }}"},
    {DST("log: {file: x}, retry: { attempts: 3, schedule: [1s] }"),
     "gaff.yaml:4:33: a schedule says all: take out either \"attempts\" or \"schedule\""},
    {DST("log: {file: x}, retry: { schedule: [1s, 5] }"),
     "gaff.yaml:4:48: expected a duration: a number and one unit (ms s m h d), as 30s, found "
     "\"5\""},
    {DST("log: {file: x}, retry: { jitter: 2 }"),
     "gaff.yaml:4:41: expected a number from 0 to 1, as 0.1, found \"2\""},
    {DST("log: {file: x}, retry: { first: 2h, max: 1h }"),
     "gaff.yaml:4:49: the longest wait (max) is shorter than the first"},
    {RT("{ from: github, to: [deplay] }"),
     "gaff.yaml:6:26: unknown destination \"deplay\"; did you mean \"deploy\"?"},
    {RT("{ from: githb, to: [deploy] }"),
     "gaff.yaml:6:13: unknown source \"githb\"; did you mean \"github\"?"},
    {RT("{ from: github, to: deploy }"),
     "gaff.yaml:6:25: expected a list of 1 to 64 destinations, as to: [deploy]"},
    {RT("{ from: github }"),
     "gaff.yaml:6:5: a route needs a list of destinations, as to: [deploy]"},
    {RT("{ to: [deploy] }"), "gaff.yaml:6:5: a route needs a source, as from: github"},
    {RT("{ from: github, to: [deploy, deploy] }"), "gaff.yaml:6:34: \"deploy\" is named twice"},
    {RT("{ from: github, to: [deploy], then: halt }"),
     "gaff.yaml:6:41: \"then\": expected continue or stop, found \"halt\""},
    {RT("{ from: github, to: [deploy], mach: { event: x } }"),
     "gaff.yaml:6:35: unknown key \"mach\"; did you mean \"match\"?"},
    {RT("{ from: github, to: [deploy], match: { json: { a: { globb: x } } } }"),
     "gaff.yaml:6:57: unknown key \"globb\" in \"a\"; did you mean \"glob\"?"},
    {RT("{ name: Push, from: github, to: [deploy] }"),
     "gaff.yaml:6:13: \"Push\" cannot be the name of a route: use a-z, 0-9, '_' and '-', beginning "
     "with a letter or digit"},
    {RT("{ name: a, from: github, to: [deploy] }\n  - { name: a, from: github, to: [deploy] }"),
     "gaff.yaml:7:13: another route is named \"a\" already, at gaff.yaml:6:13"},
    {RT("{ from: github, to: [deploy], then: stop }\n  - { from: github, to: [deploy] }"),
     "gaff.yaml:7:5: route \"github-2\" is never reached: route \"github-1\" at line 6 matches "
     "everything from \"github\" and says then: stop"},
    {"sources:\n  a: { provider: none }\n" DEPLOY "routes:\n  - { from: a, to: [deploy] }\n",
     "gaff.yaml:6:21: \"deploy\" runs a command, and source \"a\" lets in anybody who knows its "
     "address; choose a provider that verifies, or write insecure: true in the source"},
    {"sources:\n  a: { provider: none, allow_from: [0.0.0.0/0] }\n" DEPLOY
     "routes:\n  - { from: a, to: [deploy] }\n",
     "gaff.yaml:6:21: \"deploy\" runs a command, and source \"a\" lets in anybody who knows its "
     "address; choose a provider that verifies, or write insecure: true in the source"},
    {"sources: [a]\n", "gaff.yaml:1:10: expected a mapping of at most 10000 names to sources"},
    {"listen: a:1\nlisten: b:1\n",
     "gaff.yaml:2:1: the key \"listen\" is here twice; the first is in line 1"},
    /* Warnings: */
    {"durability: none\n",
     "gaff.yaml:1:13: warning: durability: none answers before anything is kept; events are lost "
     "when the daemon ends or a destination fails"},
    {"sources:\n  a-b: { provider: github, secret: 0123456789abcdef }\n",
     "gaff.yaml:2:36: warning: the secret stands in the file itself; write "
     "\"${env:A_B_SECRET}\" or \"${file:PATH}\" to keep it out of copies and commits"},
    {"sources:\n  a: { provider: github, secret: \"x${env:E}\" }\n",
     "gaff.yaml:2:34: warning: the secret is shorter than 8 bytes"},
    {DEPLOY, "gaff.yaml:2:11: warning: no route leads to destination \"deploy\""},
};

void test_config_mistakes_are_told_with_place_and_fix(void)
{
    setenv("E", "short", 1);
    for (size_t i = 0; i < ARRAY_LEN(mistakes); i++)
        if (mistakes[i].problem) {
            expect_problem(mistakes[i].text, mistakes[i].problem);
        } else {
            EXPECT(!load(mistakes[i].text));
            EXPECT(problems.errors > 0);
        }
}

void test_config_reports_everything_sorted_by_place(void)
{
    EXPECT(!load("lisen: x\n"
                 "routes:\n  - { from: nope, to: [nope] }\n"
                 "log: { level: x }\n"
                 "sources:\n  a: { provider: nope }\n  B: { provider: none }\n"
                 "destinations:\n  d: { log: {file: x}, rate: 5 }\n  e: {}\n"
                 "front_loops: -1\n"));
    EXPECT_EQ_INT(problems.errors, 9);
    unsigned line = 0;
    for (size_t i = 0; i < problems.count; i++) {
        EXPECT(problems.v[i].line >= line);
        line = problems.v[i].line;
    }
}

void test_config_command_is_allowed_when_somebody_vouches(void)
{
    static const char *const sources[] = {
        "provider: none, insecure: true",
        "provider: none, allow_from: [10.0.0.0/8]",
        "provider: ip, allow_from: [192.0.2.7]",
        "provider: github, secret: \"${env:S}\"",
    };
    for (size_t i = 0; i < ARRAY_LEN(sources); i++) {
        char text[512];
        snprintf(text, sizeof(text),
                 "sources:\n  a: { %s }\n" DEPLOY "routes:\n  - { from: a, to: [deploy] }\n",
                 sources[i]);
        config_unref(load_good(text));
    }
}

void test_config_secret_ends_at_its_time(void)
{
    struct config *c = load_good(
        "sources:\n  a: { provider: github, secrets: [\"${env:S}\", { value: \"${env:S}\", "
        "not_after: 2001-01-01T00:00:00Z }] }\n");
    EXPECT_EQ_INT(source(c, "a")->verifier.secret_count, 1);
    EXPECT_EQ_INT(c->expires_ms, 0);
    EXPECT(has_problem("warning: this secret ended at \"2001-01-01T00:00:00Z\""));
    config_unref(c);
    EXPECT(!load("sources:\n  a: { provider: github, secrets: [{ value: \"${env:S}\", not_after: "
                 "2001-01-01T00:00:00Z }] }\n"));
    EXPECT(has_problem("every secret of source \"a\" has ended"));
}
