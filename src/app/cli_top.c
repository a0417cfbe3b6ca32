/* cli_top.c -- gaff top: rates, lanes, the queue's age, errors, as they are now. Two looks at the
 * API make a rate; what is shown is lines of text, on the whole screen, on stdout once, or as JSON.
 */
#include "app/cli.h"

#include "base/clock.h"
#include "base/log.h"
#include "app/cli_screen.h"

#include <unistd.h>

#define ROWS_MAX 256
#define EVERY_MS 2000
#define EVERY_MS_MIN 100
#define EVERY_MS_MAX 3600000
#define TEXT_MAX (256u << 10)

struct counts { /* of a source or a destination; only grow while the daemon runs */
    char name[64];
    int64_t in, bad; /* received and refused; attempts and those that failed */
};

struct look {
    struct json_doc *status, *sources, *destinations;
    int64_t at_ns;
};

struct top {
    struct cli *c;
    int64_t every_ms;
    struct look now;
    struct counts before[2 * ROWS_MAX]; /* sources, then destinations */
    size_t before_count, before_sources;
    int64_t before_ns; /* 0: there was no look before */
    struct buf text;   /* lines; the first byte of each is '0' + its style */
};

/* --- looking -----------------------------------------------------------------------------------
 */

static void look_release(struct look *l)
{
    json_doc_free(l->status);
    json_doc_free(l->sources);
    json_doc_free(l->destinations);
    *l = (struct look){0};
}

static int64_t number(const struct json *v, const char *path)
{
    int64_t n = 0;
    json_i64(json_path(v, str_from_cstr(path)), &n);
    return n;
}

static str text(const struct json *v, const char *name)
{
    str s = json_str(json_get(v, str_from_cstr(name)));
    return s.p ? s : STR("");
}

static void remember(struct top *t, const struct json *list, const char *in, const char *bad)
{
    struct json_iter it = {0};
    for (size_t n = 0; n < ROWS_MAX && json_next(list, &it); n++) {
        struct counts *k = &t->before[t->before_count++];
        *k = (struct counts){.in = number(it.value, in), .bad = number(it.value, bad)};
        snprintf(k->name, sizeof(k->name), STR_FMT, STR_ARG(text(it.value, "name")));
    }
}

static const struct json *sources_of(const struct look *l)
{
    return json_get(json_root(l->sources), STR("sources"));
}

static const struct json *destinations_of(const struct look *l)
{
    return json_get(json_root(l->destinations), STR("destinations"));
}

/* What was seen last becomes what rates are against. */
static int look(struct top *t)
{
    struct look next = {0};
    int code = cli_call(t->c, "GET", "/api/v1/status", NULL, &next.status);
    if (code == CLI_OK)
        code = cli_call(t->c, "GET", "/api/v1/sources", NULL, &next.sources);
    if (code == CLI_OK)
        code = cli_call(t->c, "GET", "/api/v1/destinations", NULL, &next.destinations);
    arena_reset(&t->c->arena);
    if (code != CLI_OK) {
        look_release(&next);
        return code;
    }
    next.at_ns = clock_mono_ns(clock_real());
    if (t->now.status) {
        t->before_count = 0;
        remember(t, sources_of(&t->now), "received", "rejected");
        t->before_sources = t->before_count;
        remember(t, destinations_of(&t->now), "attempts", "failed");
        t->before_ns = t->now.at_ns;
    }
    look_release(&t->now);
    t->now = next;
    return CLI_OK;
}

struct rates {
    double in, bad; /* a second */
};

/* Zero for what is new, or when the daemon was started anew and counts from the beginning. */
static struct rates rates_of(const struct top *t, bool source, const struct json *v, int64_t in,
                             int64_t bad)
{
    size_t from = source ? 0 : t->before_sources;
    size_t to = source ? t->before_sources : t->before_count;
    double seconds = (double)(t->now.at_ns - t->before_ns) / 1e9;
    for (size_t i = from; i < to && t->before_ns; i++) {
        const struct counts *k = &t->before[i];
        if (!str_eq(str_from_cstr(k->name), text(v, "name")) || in < k->in || bad < k->bad)
            continue;
        return (struct rates){(double)(in - k->in) / seconds, (double)(bad - k->bad) / seconds};
    }
    return (struct rates){0, 0};
}

static struct rates source_rates(const struct top *t, const struct json *v)
{
    return rates_of(t, true, v, number(v, "received"), number(v, "rejected"));
}

static struct rates destination_rates(const struct top *t, const struct json *v)
{
    return rates_of(t, false, v, number(v, "attempts"), number(v, "failed"));
}

static struct rates sum(const struct top *t, bool source)
{
    struct json_iter it = {0};
    struct rates all = {0, 0};
    while (json_next(source ? sources_of(&t->now) : destinations_of(&t->now), &it)) {
        struct rates r = source ? source_rates(t, it.value) : destination_rates(t, it.value);
        all.in += r.in;
        all.bad += r.bad;
    }
    return all;
}

/* Of the oldest delivery that waits; -1 without one. */
static int64_t queue_age_ms(const struct top *t)
{
    int64_t at;
    str since = text(json_root(t->now.status), "oldest_pending");
    if (!since.n || !clock_parse(since, &at))
        return -1;
    int64_t age = clock_wall_ms(clock_real()) - at;
    return age < 0 ? 0 : age;
}

static str state_of(const struct json *destination)
{
    if (json_bool(json_get(destination, STR("paused"))))
        return STR("paused");
    str circuit = text(destination, "circuit");
    if (circuit.n && !str_eq(circuit, STR("closed")))
        return circuit;
    return json_bool(json_get(destination, STR("backlogged"))) ? STR("backlog") : STR("ok");
}

/* --- lines -------------------------------------------------------------------------------------
 */

static void line(struct top *t, enum screen_style style, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void line(struct top *t, enum screen_style style, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    buf_char(&t->text, (char)('0' + style));
    buf_vprintf(&t->text, fmt, args);
    buf_char(&t->text, '\n');
    va_end(args);
}

static void write_head(struct top *t)
{
    const struct json *s = json_root(t->now.status);
    struct rates in = sum(t, true), out = sum(t, false);
    char age[CLOCK_TEXT_MAX];
    int64_t age_ms = queue_age_ms(t);
    int64_t waiting = number(s, "deliveries.pending") + number(s, "deliveries.claimed");
    bool ready = str_eq(text(s, "state"), STR("ready"));
    line(t, ready ? SCREEN_BOLD : SCREEN_RED, STR_FMT "  " STR_FMT "  " STR_FMT " (" STR_FMT ")",
         STR_ARG(text(s, "state")), STR_ARG(text(s, "url")), STR_ARG(text(s, "store")),
         STR_ARG(text(s, "durability")));
    line(t, SCREEN_PLAIN, "in %.1f/s   refused %.1f/s   attempts %.1f/s   failing %.1f/s", in.in,
         in.bad, out.in, out.bad);
    line(t, age_ms > 60000 ? SCREEN_YELLOW : SCREEN_PLAIN,
         "waiting %lld   oldest " STR_FMT "   dead letters %lld   events %lld   %.1f MiB",
         (long long)waiting, STR_ARG(age_ms < 0 ? STR("-") : clock_duration_format(age_ms, age)),
         (long long)number(s, "deliveries.dead"), (long long)number(s, "events"),
         (double)number(s, "store_bytes") / 1048576.0);
}

static void write_sources(struct top *t)
{
    struct json_iter it = {0};
    line(t, SCREEN_PLAIN, " ");
    line(t, SCREEN_DIM, "%-24s %10s %10s %12s %10s %10s  %s", "SOURCE", "IN/S", "REFUSED/S",
         "RECEIVED", "REFUSED", "REPEATS", "LAST");
    for (size_t n = 0; n < ROWS_MAX && json_next(sources_of(&t->now), &it); n++) {
        struct rates r = source_rates(t, it.value);
        char last[24];
        cli_short_time(text(it.value, "last_event"), last);
        line(t, r.bad > 0 ? SCREEN_YELLOW : SCREEN_PLAIN,
             "%-24.24s %10.1f %10.1f %12lld %10lld %10lld  %s", text(it.value, "name").p, r.in,
             r.bad, (long long)number(it.value, "received"),
             (long long)number(it.value, "rejected"), (long long)number(it.value, "duplicates"),
             last);
    }
}

static double latency(const struct json *destination, const char *point)
{
    double ms = 0;
    json_f64(json_get(json_get(destination, STR("latency_ms")), str_from_cstr(point)), &ms);
    return ms;
}

static void write_destinations(struct top *t)
{
    struct json_iter it = {0};
    line(t, SCREEN_PLAIN, " ");
    line(t, SCREEN_DIM, "%-24s %-9s %7s %7s %10s %10s %8s %9s %9s", "DESTINATION", "STATE",
         "RUNNING", "READY", "TRIES/S", "FAILING/S", "DEAD", "P50 MS", "P95 MS");
    for (size_t n = 0; n < ROWS_MAX && json_next(destinations_of(&t->now), &it); n++) {
        const struct json *d = it.value;
        struct rates r = destination_rates(t, d);
        str state = state_of(d);
        line(t,
             r.bad > 0                  ? SCREEN_RED
             : str_eq(state, STR("ok")) ? SCREEN_PLAIN
                                        : SCREEN_YELLOW,
             "%-24.24s %-9.9s %7lld %7lld %10.1f %10.1f %8lld %9.1f %9.1f", text(d, "name").p,
             state.p, (long long)number(d, "running"), (long long)number(d, "ready"), r.in, r.bad,
             (long long)number(d, "dead"), latency(d, "p50"), latency(d, "p95"));
    }
}

static void write_lines(struct top *t)
{
    buf_clear(&t->text);
    write_head(t);
    write_sources(t);
    write_destinations(t);
}

static void print_lines(struct top *t)
{
    str rest = buf_str(&t->text);
    while (rest.p && rest.n) {
        str one = str_trim(str_slice(str_cut(&rest, '\n'), 0, TEXT_MAX));
        cli_print_text(str_slice(one, 1, one.n));
        putchar('\n');
    }
}

/* --- JSON --------------------------------------------------------------------------------------
 */

static void pair_rate(struct json_writer *w, const char *key, double rate)
{
    json_key(w, key);
    json_number(w, (double)(int64_t)(rate * 100 + 0.5) / 100);
}

static void json_lanes(struct top *t, struct json_writer *w)
{
    struct json_iter it = {0};
    json_key(w, "destinations");
    json_open(w, '[');
    while (json_next(destinations_of(&t->now), &it)) {
        struct rates r = destination_rates(t, it.value);
        json_open(w, '{');
        json_pair(w, "name", text(it.value, "name"));
        json_pair(w, "state", state_of(it.value));
        json_pair_int(w, "running", number(it.value, "running"));
        json_pair_int(w, "ready", number(it.value, "ready"));
        json_pair_int(w, "dead", number(it.value, "dead"));
        pair_rate(w, "attempts_per_s", r.in);
        pair_rate(w, "failing_per_s", r.bad);
        json_key(w, "latency_ms");
        json_value(w, json_get(it.value, STR("latency_ms")));
        json_close(w, '}');
    }
    json_close(w, ']');
}

static void print_json(struct top *t)
{
    struct buf out;
    struct json_writer w;
    struct json_iter it = {0};
    char now[CLOCK_TEXT_MAX];
    const struct json *s = json_root(t->now.status);
    struct rates in = sum(t, true), all = sum(t, false);
    int64_t age_ms = queue_age_ms(t);
    buf_init(&out, 16u << 20);
    json_writer_init(&w, &out);
    json_open(&w, '{');
    json_pair(&w, "time", clock_format(clock_wall_ms(clock_real()), now));
    json_pair(&w, "state", text(s, "state"));
    pair_rate(&w, "received_per_s", in.in);
    pair_rate(&w, "refused_per_s", in.bad);
    pair_rate(&w, "attempts_per_s", all.in);
    pair_rate(&w, "failing_per_s", all.bad);
    json_key(&w, "oldest_pending_age_ms");
    if (age_ms < 0)
        json_null(&w);
    else
        json_integer(&w, age_ms);
    json_key(&w, "deliveries");
    json_value(&w, json_get(s, STR("deliveries")));
    json_key(&w, "sources");
    json_open(&w, '[');
    while (json_next(sources_of(&t->now), &it)) {
        struct rates r = source_rates(t, it.value);
        json_open(&w, '{');
        json_pair(&w, "name", text(it.value, "name"));
        pair_rate(&w, "received_per_s", r.in);
        pair_rate(&w, "refused_per_s", r.bad);
        json_pair_int(&w, "received", number(it.value, "received"));
        json_pair_int(&w, "refused", number(it.value, "rejected"));
        json_close(&w, '}');
    }
    json_close(&w, ']');
    json_lanes(t, &w);
    json_close(&w, '}');
    buf_char(&out, '\n');
    fwrite(buf_str(&out).p, 1, out.len, stdout);
    fflush(stdout);
    buf_release(&out);
}

/* --- the screen and the verb -------------------------------------------------------------------
 */

static void draw(struct top *t, const struct cli_errors *errors)
{
    str rest = buf_str(&t->text);
    int bottom = screen_rows() - 1, all = screen_columns();
    screen_clear();
    for (int row = 0; rest.p && rest.n && row < bottom; row++) {
        str one = str_cut(&rest, '\n');
        int style = one.n ? one.p[0] - '0' : SCREEN_PLAIN;
        screen_put(row, 0, all, style, str_slice(one, 1, one.n));
    }
    if (errors->text[0])
        screen_put(bottom, 0, all, SCREEN_RED, str_from_cstr(errors->text));
    else
        screen_put(bottom, 0, all, SCREEN_DIM, STR("q quit"));
    screen_show();
}

static int on_screen(struct top *t)
{
    struct cli_errors errors = {.lock = PTHREAD_MUTEX_INITIALIZER};
    int64_t next_ns = clock_mono_ns(clock_real());
    uint32_t key = SCREEN_NONE;
    int code = CLI_OK;
    cli_errors_keep(&errors);
    while (key != 'q' && (code == CLI_OK || code == CLI_UNREACHABLE)) {
        int64_t left_ms = (next_ns - clock_mono_ns(clock_real())) / 1000000;
        if (left_ms <= 0) {
            errors.text[0] = 0;
            code = look(t);
            if (code == CLI_OK)
                write_lines(t);
            left_ms = t->every_ms;
            next_ns = clock_mono_ns(clock_real()) + left_ms * 1000000;
        }
        draw(t, &errors);
        key = screen_key(-1, (int)left_ms);
    }
    screen_close();
    cli_errors_keep(NULL);
    if (key == 'q')
        return CLI_OK;
    return cli_error(code, "%s", errors.text);
}

/* Two looks, then once, or on and on as lines of JSON. */
static int in_lines(struct top *t)
{
    int code = look(t);
    while (code == CLI_OK) {
        usleep((useconds_t)t->every_ms * 1000);
        code = look(t);
        if (code != CLI_OK)
            break;
        write_lines(t);
        if (t->c->output == CLI_TABLE)
            print_lines(t);
        else
            print_json(t);
        if (t->c->output != CLI_JSONL)
            break;
    }
    return code;
}

int cli_top(struct cli *c)
{
    struct cli asking = *c; /* its arena is emptied after each look */
    struct top t = {.c = &asking, .every_ms = EVERY_MS};
    struct reason why = {0};
    const char *every = cli_option(c, "every");
    if (c->output == CLI_ID)
        return cli_error(CLI_USAGE, "gaff top prints a table, json or jsonl");
    if (every && (!clock_duration_parse(str_from_cstr(every), &t.every_ms) ||
                  t.every_ms < EVERY_MS_MIN || t.every_ms > EVERY_MS_MAX))
        return cli_error(CLI_USAGE, "--every takes a duration from 100ms to 1h, as 2s");
    if (!cli_daemon_url(c))
        return CLI_UNREACHABLE;
    arena_init(&asking.arena, 64u << 20);
    buf_init(&t.text, TEXT_MAX);
    bool whole = c->terminal && isatty(STDIN_FILENO) && c->output == CLI_TABLE;
    int code;
    if (whole && !cli_flag(c, "once") && screen_open(&why) == ERR_OK) {
        code = on_screen(&t);
    } else {
        if (why.text[0])
            fprintf(stderr, "gaff: once instead of the full screen: %s\n", why.text);
        code = in_lines(&t);
    }
    look_release(&t.now);
    buf_release(&t.text);
    arena_release(&asking.arena);
    return code;
}
