/* hub_fuzz.c -- what a stranger asks of the WebSub hub, and jobs as the store has them: who is
 * accepted asked for a topic there is and a callback that may be called, and what is stored of it
 * is read again as it was. Input, ended by NUL bytes: Content-Type, Authorization; the rest is the
 * body. */
#include "engine/config.h"
#include "engine/hub_job.h"
#include "engine/hub_request.h"

#include "base/log.h"
#include "http/url.h"

static struct config *config;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    str text = STR("public_url: https://hub.example.org\n"
                   "hub: { callbacks: ['*.example.com'], publish: token,\n"
                   "  publish_token: 'a token that nobody guesses',\n"
                   "  topics: { news: 'https://blog.example.org/feed' } }\n");
    struct problems p = {0};
    UNUSED(argc);
    UNUSED(argv);
    config = config_load("/nonexistent/gaff.yaml", &text, &p);
    if (!config)
        die("%s", p.count ? p.v[0].text : "no configuration");
    problems_release(&p);
    return 0;
}

static void check_stored(const struct hub_job *j, struct arena *a)
{
    struct hub_job again;
    str doc = hub_job_doc(j, a), id = hub_job_id(j, a);
    assert(doc.p && id.p && hub_job_read(doc, a, &again));
    assert(again.mode == j->mode && again.lease_s == j->lease_s);
    assert(str_eq(again.topic, j->topic) && str_eq(again.callback, j->callback));
    assert(str_eq(again.secret, j->secret) && str_eq(hub_job_id(&again, a), id));
}

static void check_accepted(const struct hub_job *j)
{
    struct http_url u;
    struct reason why;
    char host[HTTP_HOST_MAX + 1];
    assert(hub_topic_find(&config->hub, j->topic));
    assert(j->mode != HUB_PUBLISH && j->mode != HUB_DENY); /* nobody has the token */
    assert(str_find(j->callback, '#') == j->callback.n);
    assert(http_url_parse(j->callback, &u, &why) == ERR_OK);
    http_url_host(&u, host);
    assert(str_ends(str_from_cstr(host), STR(".example.com")));
    http_url_release(&u);
    assert(j->secret.n < 200);
    assert(j->mode == HUB_UNSUBSCRIBE || (j->lease_s * 1000 >= config->hub.lease_min_ms &&
                                          j->lease_s * 1000 <= config->hub.lease_max_ms));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    struct hub_job job;
    struct reason why = {.text = ""};
    str rest = str_of((const char *)data, size);
    str type = str_cut(&rest, '\0');
    str authorization = rest.p ? str_cut(&rest, '\0') : STR("");
    struct http_field fields[] = {{STR("Content-Type"), type},
                                  {STR("Authorization"), authorization}};
    arena_init(&a, 4u << 20);
    struct http_request req = {.method = STR("POST"),
                               .target = STR("/hub"),
                               .path = STR("/hub"),
                               .query = STR(""),
                               .fields = {fields, ARRAY_LEN(fields)},
                               .body = rest.p ? rest : STR(""),
                               .peer = STR("203.0.113.9"),
                               .arena = &a};
    int status = hub_request_read(config, &req, &job, &why);
    assert(status == 202 || (status >= 400 && status < 500 && why.text[0]));
    if (status == 202) {
        check_accepted(&job);
        check_stored(&job, &a);
    }
    (void)hub_job_read(req.body, &a, &job);
    http_request_release(&req);
    arena_release(&a);
    return 0;
}
