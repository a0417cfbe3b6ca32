/* gaff.c -- the public library: registration and life cycle. Each call adds lines to a small
 * configuration of its own, which is laid over the user's file when the app starts; so a program
 * and a gaff.yaml mean the same things and are checked by the same reader. */
#include "app/otel.h"
#include "app/program.h"
#include "app/settings.h"

#include "base/codec.h"
#include "base/rand.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <unistd.h>

#define YAML_MAX (1u << 20)
#define DRAIN_MS 25000
#define SUBSCRIBER_ARENA_MAX (16u << 20)

const char *gaff_strerror(gaff_err err)
{
    static const char *const texts[] = {"success",
                                        "malformed input",
                                        "no such provider, route or key",
                                        "signature mismatch",
                                        "timestamp out of tolerance",
                                        "a limit was reached",
                                        "already there or locked",
                                        "no space left",
                                        "a system call failed",
                                        "out of memory"};
    return (size_t)err < ARRAY_LEN(texts) ? texts[err] : "unknown error";
}

gaff_err program_err(enum err err)
{
    switch (err) {
    case ERR_OK:
        return GAFF_OK;
    case ERR_NOT_FOUND:
        return GAFF_UNKNOWN;
    case ERR_DENIED:
        return GAFF_UNAUTHORIZED;
    case ERR_CONFLICT:
        return GAFF_CONFLICT;
    case ERR_LIMIT:
        return GAFF_LIMIT;
    case ERR_FULL:
        return GAFF_FULL;
    case ERR_NOMEM:
        return GAFF_NOMEM;
    case ERR_INVALID:
        return GAFF_INVALID;
    default:
        return GAFF_IO;
    }
}

gaff_err program_fail(gaff_app *app, gaff_err code, const char *fmt, ...)
{
    if (app->first_error == GAFF_OK) {
        va_list args;
        va_start(args, fmt);
        vsnprintf(app->error, sizeof(app->error), fmt, args);
        va_end(args);
        app->first_error = code;
    }
    return code;
}

/* --- registration ---------------------------------------------------------------------------- */

gaff_app *gaff_new(const char *config_file)
{
    gaff_app *app = calloc(1, sizeof(*app));
    if (!app)
        return NULL;
    app->config_file = config_file ? xstrdup(config_file) : NULL;
    app->router = router_new();
    buf_init(&app->sources, YAML_MAX);
    buf_init(&app->destinations, YAML_MAX);
    buf_init(&app->routes, YAML_MAX);
    app->stop_pipe[0] = app->stop_pipe[1] = -1;
    if (pipe2(app->stop_pipe, O_CLOEXEC | O_NONBLOCK) != 0)
        program_fail(app, GAFF_IO, "cannot make a pipe: %s", strerror(errno));
    return app;
}

static void replace(char **slot, const char *value)
{
    free(*slot);
    *slot = value ? xstrdup(value) : NULL;
}

gaff_err gaff_listen(gaff_app *app, const char *address)
{
    replace(&app->listen, address);
    return GAFF_OK;
}

gaff_err gaff_store(gaff_app *app, const char *url)
{
    replace(&app->store, url);
    return GAFF_OK;
}

static gaff_err add_route(gaff_app *app, const char *pattern, gaff_handler *fn, void *arg,
                          struct webhook *webhook)
{
    struct reason why = {0};
    if (!pattern || !fn)
        return program_fail(app, GAFF_INVALID, "a route needs a pattern and a function");
    struct route *r = xcalloc(1, sizeof(*r));
    *r = (struct route){fn, arg, webhook};
    enum err err = router_add(app->router, str_from_cstr(pattern), r, &why);
    if (err != ERR_OK) {
        free(r);
        return program_fail(app, program_err(err), "route \"%s\": %s", pattern, why.text);
    }
    app->route_list = xrealloc(app->route_list, (app->route_count + 1) * sizeof(struct route *));
    app->route_list[app->route_count++] = r;
    return GAFF_OK;
}

gaff_err gaff_route(gaff_app *app, const char *pattern, gaff_handler *fn, void *arg)
{
    return add_route(app, pattern, fn, arg, NULL);
}

/* A name of [a-z0-9-] from the path: "/hooks/GitHub" -> "hooks-github". */
static char *name_from_path(str path, size_t number)
{
    char *name = xcalloc(1, 64);
    size_t n = 0;
    for (size_t i = 0; i < path.n && n < 48; i++) {
        char c = path.p[i];
        if (c >= 'A' && c <= 'Z')
            c = (char)(c + 32);
        bool word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (word)
            name[n++] = c;
        else if (n && name[n - 1] != '-')
            name[n++] = '-';
    }
    while (n && name[n - 1] == '-')
        name[--n] = 0;
    if (n == 0)
        snprintf(name, 64, "webhook-%zu", number);
    return name;
}

/* A JSON string is a YAML double-quoted scalar as well. */
static void quote(struct buf *out, const char *text)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_string(&w, str_from_cstr(text));
}

static void write_source(struct buf *out, const struct webhook *w, str method, str path,
                         const gaff_webhook_options *o)
{
    buf_printf(out, "  %s:\n    path: \"" STR_FMT "\"\n    methods: [" STR_FMT "]\n    provider: ",
               w->name, STR_ARG(path), STR_ARG(method));
    quote(out, w->provider);
    buf_str_append(out, STR("\n"));
    if (o && o->secret) {
        buf_str_append(out, STR("    secrets: ["));
        quote(out, o->secret);
        if (o->old_secret) {
            buf_str_append(out, STR(", "));
            quote(out, o->old_secret);
        }
        buf_str_append(out, STR("]\n"));
    }
    if (o && o->insecure)
        buf_str_append(out, STR("    insecure: true\n"));
}

static void write_rest(gaff_app *app, const struct webhook *w, const gaff_webhook_options *o)
{
    struct buf *d = &app->destinations, *r = &app->routes;
    int concurrency = o && o->background && o->concurrency > 0 ? o->concurrency : 1;
    buf_printf(d, "  %s:\n    handler: { index: %zu, concurrency: %d }\n", w->name,
               app->handlers.count, concurrency);
    if (o && o->attempts > 0)
        buf_printf(d, "    retry: { attempts: %d }\n", o->attempts);
    buf_printf(r, "  - name: %s\n    from: %s\n    to: [%s]\n", w->name, w->name, w->name);
    if (o && o->events) {
        buf_str_append(r, STR("    match: { event: "));
        quote(r, o->events);
        buf_str_append(r, STR(" }\n"));
    }
}

static void add_handler(gaff_app *app, struct webhook *w, bool background)
{
    struct handler_table *t = &app->handlers;
    t->v = xrealloc(t->v, (t->count + 1) * sizeof(*t->v));
    t->v[t->count++] =
        (struct handler_entry){.call = program_handle, .arg = w, .background = background};
}

gaff_err gaff_webhook(gaff_app *app, const char *pattern, const gaff_webhook_options *options,
                      gaff_handler *fn, void *arg)
{
    str path = str_from_cstr(pattern ? pattern : "");
    str method = str_cut(&path, ' ');
    if (!fn || !path.p || path.n == 0 || path.p[0] != '/')
        return program_fail(app, GAFF_INVALID,
                            "a webhook needs a pattern like \"POST /webhook\" and a function");
    if ((!options || !options->secret || !options->secret[0]) && !(options && options->insecure))
        return program_fail(app, GAFF_INVALID,
                            "webhook \"%s\": a secret is missing; without one anybody could send. "
                            "Set .secret (\"${env:NAME}\" reads it from the environment), or "
                            ".insecure = true if that is wanted",
                            pattern);
    struct webhook *w = xcalloc(1, sizeof(*w));
    *w = (struct webhook){.app = app, .fn = fn, .arg = arg};
    w->pattern = xstrdup(pattern);
    w->synchronous = options && options->synchronous;
    w->name = options && options->name ? xstrdup(options->name)
                                       : name_from_path(path, app->webhook_count + 1);
    w->provider = xstrdup(options && options->provider   ? options->provider
                          : options && options->insecure ? "none"
                                                         : "hmac");
    app->webhooks = xrealloc(app->webhooks, (app->webhook_count + 1) * sizeof(struct webhook *));
    app->webhooks[app->webhook_count++] = w;
    if (w->synchronous) {
        /* Its source has a path that no request can have; only its verifier is used. */
        char hidden[128];
        snprintf(hidden, sizeof(hidden), "/-synchronous/%s", w->name);
        write_source(&app->sources, w, STR("POST"), str_from_cstr(hidden), options);
        return add_route(app, pattern, fn, arg, w);
    }
    write_source(&app->sources, w, method, path, options);
    write_rest(app, w, options);
    add_handler(app, w, options && options->background);
    return GAFF_OK;
}

/* Events of the program itself come from a source that nobody else can use: each start makes a
 * secret for it that is told to no one. */
static void write_app_source(struct buf *out)
{
    uint8_t bytes[32];
    char text[64];
    rand_bytes(bytes, sizeof(bytes));
    hex_encode(bytes, sizeof(bytes), text);
    buf_printf(out, "  app:\n    path: \"/-app\"\n    provider: bearer\n    secret: \"%.64s\"\n",
               text);
    secret_wipe(text, sizeof(text));
}

gaff_err gaff_subscribe(gaff_app *app, const char *events, const char *url, const char *secret)
{
    if (!events || !url || !secret)
        return program_fail(app, GAFF_INVALID, "a subscriber needs events, a url and a secret");
    if (app->subscriber_count == 0)
        write_app_source(&app->sources);
    app->subscribers =
        xrealloc(app->subscribers, (app->subscriber_count + 1) * sizeof(*app->subscribers));
    app->subscribers[app->subscriber_count++] = (struct program_subscriber){
        .events = xstrdup(events), .url = xstrdup(url), .secret = xstrdup(secret)};
    return GAFF_OK;
}

/* --- start and stop -------------------------------------------------------------------------- */

static void write_setting(struct buf *out, const char *key, const char *value)
{
    if (!value)
        return;
    buf_printf(out, "%s: ", key);
    quote(out, value);
    buf_char(out, '\n');
}

/* The configuration that the calls so far amount to. */
static void write_document(gaff_app *app, struct buf *out)
{
    write_setting(out, "listen", app->listen);
    write_setting(out, "store", app->in_memory_for_tests ? "memory:" : app->store);
    /* Handlers share data without locks: one front loop, one thread. */
    buf_str_append(out, STR("front_loops: 1\n"));
    if (app->sources.len)
        buf_printf(out, "sources:\n%s", buf_cstr(&app->sources));
    if (app->destinations.len)
        buf_printf(out, "destinations:\n%s", buf_cstr(&app->destinations));
    if (app->routes.len)
        buf_printf(out, "routes:\n%s", buf_cstr(&app->routes));
}

static gaff_err load(gaff_app *app)
{
    struct problems problems = {0};
    struct buf document;
    buf_init(&document, YAML_MAX * 4);
    write_document(app, &document);
    str text = buf_str(&document);
    app->config = config_load_over(app->config_file, text, "program", &problems);
    for (size_t i = 0; i < problems.count && !app->config; i++)
        if (!problems.v[i].warning)
            program_fail(app, GAFF_INVALID, "%s", problems.v[i].text);
    problems_release(&problems);
    secret_wipe(document.p, document.len);
    buf_release(&document);
    return app->config ? GAFF_OK : app->first_error;
}

/* Synchronous webhooks verify in the route itself, with their source's own verifier. */
static gaff_err make_verifiers(gaff_app *app)
{
    for (size_t i = 0; i < app->webhook_count; i++) {
        struct webhook *w = app->webhooks[i];
        struct problems problems = {0};
        if (!w->synchronous)
            continue;
        const struct source_config *s =
            map_get(&app->config->sources_by_name, str_from_cstr(w->name));
        w->verifier = s ? verifier_new(&s->verifier, s->place, &problems) : NULL;
        if (!w->verifier)
            return program_fail(app, GAFF_INVALID, "webhook \"%s\": %s", w->pattern,
                                problems.count ? problems.v[0].text : "no verifier");
        problems_release(&problems);
    }
    return GAFF_OK;
}

/* What the program named becomes endpoints, before the first request can tell of anything. */
static gaff_err start_subscribers(gaff_app *app)
{
    struct reason why = {0};
    struct arena a;
    arena_init(&a, SUBSCRIBER_ARENA_MAX);
    struct subscriber *v = ARENA_ARRAY(&a, struct subscriber, app->subscriber_count + 1);
    enum err err = v ? ERR_OK : fail(&why, ERR_LIMIT, "there are too many subscribers");
    for (size_t i = 0; err == ERR_OK && i < app->subscriber_count; i++) {
        const struct program_subscriber *s = &app->subscribers[i];
        v[i].events = str_from_cstr(s->events);
        if (!config_text_resolve(app->config, str_from_cstr(s->url), &a, &v[i].url, &why) ||
            !config_text_resolve(app->config, str_from_cstr(s->secret), &a, &v[i].secret, &why))
            err = ERR_INVALID;
    }
    if (err == ERR_OK)
        err = subscribers_set(engine_core(app->engine), v, app->subscriber_count, app->application,
                              &why);
    arena_release(&a);
    return err == ERR_OK ? GAFF_OK
                         : program_fail(app, program_err(err), "gaff_subscribe: %s", why.text);
}

/* Commands of a configuration file need runners, one a delivery loop, and these must precede
 * threads and secrets. */
static bool launch_runners(const gaff_app *app, struct engine_options *o, struct reason *why)
{
    size_t count = app->config_file ? settings_delivery_loops(app->config_file) : 0;
    for (size_t i = 0; i < count && i < DELIVERY_LOOPS_MAX; i++)
        if (!(o->runners[i] = runner_launch(why)))
            return false;
    return true;
}

static void free_runners(struct engine_options *o)
{
    for (size_t i = 0; i < DELIVERY_LOOPS_MAX; i++)
        runner_link_free(o->runners[i]);
}

gaff_err gaff_start(gaff_app *app)
{
    struct reason why = {0};
    if (app->first_error != GAFF_OK || app->started)
        return app->first_error;
    struct engine_options o = {
        .fallback = program_route, .fallback_arg = app, .handlers = &app->handlers};
    if (!launch_runners(app, &o, &why)) {
        free_runners(&o);
        return program_fail(app, GAFF_IO, "%s", why.text);
    }
    if (load(app) != GAFF_OK || make_verifiers(app) != GAFF_OK) {
        free_runners(&o);
        return app->first_error;
    }
    if (app->in_memory_for_tests)
        app->config->listen_count = 0;
    struct arena a;
    arena_init(&a, OTEL_ARENA_MAX);
    o.config = app->config;
    o.traces = otel_from_environment(&a);
    app->engine = engine_new(&o, &why);
    arena_release(&a);
    if (!app->engine)
        return program_fail(app, program_err(why.code), "%s", why.text);
    if (start_subscribers(app) != GAFF_OK)
        return app->first_error;
    engine_start(app->engine);
    app->started = true;
    return GAFF_OK;
}

void gaff_stop(gaff_app *app)
{
    int saved = errno;
    app->stopping = true;
    if (app->stop_pipe[1] >= 0 && write(app->stop_pipe[1], "x", 1) < 0)
        errno = saved; /* the pipe is full: it was told before */
    errno = saved;
}

static gaff_app *app_of_signals;

static void on_signal(int number)
{
    UNUSED(number);
    if (app_of_signals)
        gaff_stop(app_of_signals);
}

gaff_err gaff_run(gaff_app *app)
{
    struct sigaction act = {.sa_handler = on_signal}, old_int, old_term;
    gaff_err err = gaff_start(app);
    if (err != GAFF_OK)
        return err;
    app_of_signals = app;
    sigaction(SIGINT, &act, &old_int);
    sigaction(SIGTERM, &act, &old_term);
    const char *url;
    for (size_t i = 0; (url = engine_url(app->engine, i)) != NULL; i++)
        log_event(LOG_INFO, "listening", LOG_F("address", str_from_cstr(url)));
    while (!app->stopping) {
        struct pollfd p = {.fd = app->stop_pipe[0], .events = POLLIN};
        poll(&p, 1, -1);
    }
    engine_drain(app->engine, DRAIN_MS);
    sigaction(SIGINT, &old_int, NULL);
    sigaction(SIGTERM, &old_term, NULL);
    app_of_signals = NULL;
    return GAFF_OK;
}

int gaff_main(gaff_app *app)
{
    if (!app) {
        fprintf(stderr, "out of memory\n");
        return 1;
    }
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    gaff_err err = gaff_run(app);
    if (err != GAFF_OK)
        fprintf(stderr, "gaff: %s\n", gaff_error(app));
    gaff_free(app);
    return err == GAFF_OK ? 0 : 1;
}

void gaff_free(gaff_app *app)
{
    if (!app)
        return;
    engine_free(app->engine);
    for (size_t i = 0; i < app->webhook_count; i++) {
        struct webhook *w = app->webhooks[i];
        verifier_free(w->verifier);
        free(w->name);
        free(w->pattern);
        free(w->provider);
        free(w);
    }
    for (size_t i = 0; i < app->route_count; i++)
        free(app->route_list[i]);
    for (size_t i = 0; i < app->subscriber_count; i++) {
        struct program_subscriber *one = &app->subscribers[i];
        secret_wipe(one->secret, strlen(one->secret));
        free(one->secret);
        free(one->events);
        free(one->url);
    }
    free(app->subscribers);
    free(app->webhooks);
    free(app->route_list);
    free(app->handlers.v);
    router_free(app->router);
    config_unref(app->config);
    secret_wipe(app->sources.p, app->sources.len);
    buf_release(&app->sources);
    buf_release(&app->destinations);
    buf_release(&app->routes);
    for (int i = 0; i < 2; i++)
        if (app->stop_pipe[i] >= 0)
            close(app->stop_pipe[i]);
    free(app->config_file);
    free(app->listen);
    free(app->store);
    free(app);
}

const char *gaff_error(const gaff_app *app)
{
    return app->error;
}

const char *gaff_url(const gaff_app *app)
{
    const char *url = app->engine ? engine_url(app->engine, 0) : NULL;
    return url ? url : "";
}

gaff_err gaff_emit(gaff_app *app, const char *type, const char *json)
{
    struct reason why = {0};
    uint64_t id;
    if (!app->started)
        return program_fail(app, GAFF_CONFLICT, "gaff_emit before the app has started");
    enum err err =
        engine_emit(app->engine, str_from_cstr(app->application), str_from_cstr(type ? type : ""),
                    str_from_cstr(json ? json : ""), &id, &why);
    if (err != ERR_OK)
        log_event(LOG_ERROR, "event not emitted", LOG_F("reason", str_from_cstr(why.text)));
    return program_err(err);
}
