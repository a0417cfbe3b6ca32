/* config_destination.c -- `destinations:`: what is done, how many at once, how fast, in which
 * order, and how often it is tried again. The kinds of action read their own mapping. */
#include "engine/config_read.h"

#define CONCURRENCY_MAX 4096
#define ATTEMPTS_MAX 100
#define DAY_MS INT64_C(86400000)
#define TIMEOUT_DEFAULT_MS 30000
#define JITTER_DEFAULT 0.1

static const char *const own_keys[] = {"concurrency", "rate",  "order",     "order_by",
                                       "latest_wins", "where", "transform", "debounce",
                                       "timeout",     "retry", "circuit",   NULL};

/* --- retry ----------------------------------------------------------------------------------- */

/* The example schedule of Standard Webhooks: 10 attempts over 75.6 hours. */
static const int64_t default_waits_ms[] = {5000,     300000,   1800000,  7200000, 18000000,
                                           36000000, 50400000, 72000000, 86400000};

enum backoff { BACKOFF_EXPONENTIAL, BACKOFF_LINEAR, BACKOFF_CONSTANT };

static void set_default_schedule(struct config_reader *r, struct retry_policy *retry)
{
    retry->wait_count = ARRAY_LEN(default_waits_ms);
    retry->waits_ms = CONFIG_ARRAY(r, int64_t, retry->wait_count);
    memcpy(retry->waits_ms, default_waits_ms, sizeof(default_waits_ms));
    retry->jitter = JITTER_DEFAULT;
}

static void read_schedule(struct config_reader *r, const struct yaml *node,
                          struct retry_policy *retry)
{
    if (node->kind != YAML_LIST || node->count >= ATTEMPTS_MAX) {
        problem_at(r->problems, node, "expected a list of at most %d waits, as [5s, 5m, 30m, 2h]",
                   ATTEMPTS_MAX - 1);
        return;
    }
    retry->waits_ms = CONFIG_ARRAY(r, int64_t, node->count);
    retry->wait_count = 0;
    for (const struct yaml *item = node->first; item; item = item->next)
        if (read_duration(r->problems, item, 0, 366 * DAY_MS, &retry->waits_ms[retry->wait_count]))
            retry->wait_count++;
}

static int64_t backoff_wait(enum backoff kind, int64_t first_ms, int64_t max_ms, size_t index)
{
    int64_t wait = first_ms;
    if (kind == BACKOFF_LINEAR)
        wait = first_ms * (int64_t)(index + 1);
    if (kind == BACKOFF_EXPONENTIAL)
        for (size_t i = 0; i < index && wait < max_ms; i++)
            wait *= 2;
    return wait < max_ms ? wait : max_ms;
}

static void read_backoff(struct config_reader *r, const struct yaml *node,
                         struct retry_policy *retry)
{
    static const char *const words[] = {"exponential", "linear", "constant", NULL};
    int64_t attempts = 10, first_ms = 5000, max_ms = 12 * 3600000;
    int backoff = BACKOFF_EXPONENTIAL;
    const struct yaml *first = yaml_get(node, STR("first"));
    const struct yaml *max = yaml_get(node, STR("max"));
    bool ok = read_int(r->problems, yaml_get(node, STR("attempts")), 1, ATTEMPTS_MAX, &attempts);
    ok = read_enum(r->problems, yaml_get(node, STR("backoff")), words, &backoff) && ok;
    ok = read_duration(r->problems, first, 1, 366 * DAY_MS, &first_ms) && ok;
    ok = read_duration(r->problems, max, 1, 366 * DAY_MS, &max_ms) && ok;
    if (!max && max_ms < first_ms)
        max_ms = first_ms;
    if (ok && max_ms < first_ms)
        problem_at(r->problems, max, "the longest wait (max) is shorter than the first");
    retry->wait_count = (size_t)attempts - 1;
    retry->waits_ms = CONFIG_ARRAY(r, int64_t, retry->wait_count);
    for (size_t i = 0; i < retry->wait_count; i++)
        retry->waits_ms[i] = backoff_wait((enum backoff)backoff, first_ms, max_ms, i);
}

static void read_retry(struct config_reader *r, const struct yaml *node, struct retry_policy *retry)
{
    static const char *const keys[] = {"attempts", "backoff",  "first", "max",
                                       "jitter",   "schedule", NULL};
    set_default_schedule(r, retry);
    if (!node)
        return;
    if (!read_keys(r->problems, node, keys) && node->kind != YAML_MAP)
        return;
    config_fraction_read(r, yaml_get(node, STR("jitter")), &retry->jitter);
    const struct yaml *schedule = yaml_get(node, STR("schedule"));
    bool by_backoff = false;
    for (size_t i = 0; i < 4; i++) {
        const struct yaml *one = yaml_get(node, str_from_cstr(keys[i]));
        by_backoff = by_backoff || one;
        if (one && schedule)
            problem_at_key(r->problems, one,
                           "a schedule says all: take out either \"%s\" or \"schedule\"", keys[i]);
    }
    if (schedule)
        read_schedule(r, schedule, retry);
    else if (by_backoff)
        read_backoff(r, node, retry);
}

/* --- order ----------------------------------------------------------------------------------- */

/* What plan.c can resolve. */
static bool is_known_reference(str name, bool is_filter, void *arg)
{
    static const str names[] = {
        {".", 1}, {"header", 6}, {"query", 5}, {"event_type", 10}, {"source", 6}};
    UNUSED(arg);
    for (size_t i = 0; !is_filter && i < ARRAY_LEN(names); i++)
        if (str_eq(name, names[i]))
            return true;
    return false;
}

static void read_order(struct config_reader *r, const struct yaml *node,
                       struct destination_config *d)
{
    static const char *const words[] = {"any", "fifo", NULL};
    const struct yaml *order = yaml_get(node, STR("order"));
    const struct yaml *by = yaml_get(node, STR("order_by"));
    int word = 0;
    read_enum(r->problems, order, words, &word);
    d->in_order = word == 1;
    if (!by)
        return;
    str text;
    struct reason why;
    if (!read_str(r->problems, by, &text))
        return;
    if (template_compile(&d->order_by, r->arena, text, is_known_reference, NULL, &why))
        problem_at(r->problems, by, "%s", why.text);
    else if (template_is_constant(&d->order_by))
        problem_at(r->problems, by,
                   "order_by names no field of the event; write one as \"{{ .repository.id }}\"");
    if (order && !d->in_order)
        problem_at(r->problems, by, "order_by has no meaning with order: any; write order: fifo");
    d->in_order = true;
}

/* One build a branch, of the newest commit: latest_wins, debounce. */
static void read_latest(struct config_reader *r, const struct yaml *node,
                        struct destination_config *d)
{
    static const char *const words[] = {"off", "queued", "running", NULL};
    static const char *const keys[] = {"wait", "max", NULL};
    const struct yaml *latest = yaml_get(node, STR("latest_wins"));
    const struct yaml *debounce = yaml_get(node, STR("debounce"));
    const struct yaml *order = yaml_get(node, STR("order"));
    int word = debounce ? LATEST_QUEUED : LATEST_OFF;
    read_enum(r->problems, latest, words, &word);
    d->latest = (enum latest)word;
    if (debounce && debounce->kind == YAML_SCALAR) {
        read_duration(r->problems, debounce, 1, DAY_MS, &d->debounce_ms);
        d->debounce_max_ms = 10 * d->debounce_ms;
    } else if (debounce && read_keys(r->problems, debounce, keys)) {
        const struct yaml *max = yaml_get(debounce, STR("max"));
        if (!yaml_get(debounce, STR("wait")))
            problem_at(r->problems, debounce, "debounce needs how long to wait, as { wait: 10s }");
        read_duration(r->problems, yaml_get(debounce, STR("wait")), 1, DAY_MS, &d->debounce_ms);
        d->debounce_max_ms = 10 * d->debounce_ms;
        if (read_duration(r->problems, max, 1, 7 * DAY_MS, &d->debounce_max_ms) && max &&
            d->debounce_max_ms < d->debounce_ms)
            problem_at(r->problems, max, "the longest wait (max) is shorter than wait");
    }
    if (debounce && d->latest == LATEST_OFF)
        problem_at(r->problems, latest,
                   "debounce delivers the latest event of a burst: take latest_wins out, or say "
                   "queued or running");
    if (d->latest == LATEST_OFF)
        return;
    if (order && !d->in_order)
        problem_at(r->problems, order,
                   "latest_wins runs one event of a key at a time: take order: any out");
    d->in_order = true;
}

/* --- the circuit ----------------------------------------------------------------------------- */

static void read_circuit(struct config_reader *r, const struct yaml *node,
                         struct destination_config *d)
{
    static const char *const keys[] = {"failures", "wait", "max", NULL};
    static const char *const words[] = {"off", "on", NULL};
    struct circuit_policy *c = &d->circuit;
    int64_t failures = CIRCUIT_FAILURES;
    int word = 0;
    if (node && node->kind == YAML_SCALAR) {
        read_enum(r->problems, node, words, &word);
        *c = word ? CIRCUIT_USUAL : (struct circuit_policy){0};
        return;
    }
    if (!node || !read_keys(r->problems, node, keys))
        return;
    *c = CIRCUIT_USUAL;
    const struct yaml *max = yaml_get(node, STR("max"));
    bool ok = read_int(r->problems, yaml_get(node, STR("failures")), 1, 100000, &failures);
    c->failures = (int)failures;
    ok = read_duration(r->problems, yaml_get(node, STR("wait")), 1, DAY_MS, &c->wait_ms) && ok;
    ok = read_duration(r->problems, max, 1, DAY_MS, &c->max_ms) && ok;
    if (!max && c->max_ms < c->wait_ms)
        c->max_ms = c->wait_ms;
    if (ok && c->max_ms < c->wait_ms)
        problem_at(r->problems, max, "the longest pause (max) is shorter than the first (wait)");
}

/* --- the whole ------------------------------------------------------------------------------- */

/* Own keys and the names of the kinds and targets, NULL-terminated. */
static const char *const *known_keys(struct config_reader *r)
{
    const struct target_table *targets = r->config->targets;
    size_t kinds = 0, n = 0, count = target_count(targets);
    while (action_kinds[kinds])
        kinds++;
    const char **v = CONFIG_ARRAY(r, const char *, kinds + count + ARRAY_LEN(own_keys));
    for (size_t i = 0; i < kinds; i++)
        v[n++] = action_kinds[i]->name;
    for (size_t i = 0; i < count; i++)
        v[n++] = target_id_at(targets, i);
    for (size_t i = 0; own_keys[i]; i++)
        v[n++] = own_keys[i];
    return v;
}

static void report_no_action(struct config_reader *r, const struct yaml *node)
{
    struct buf kinds;
    buf_init(&kinds, 256);
    for (size_t i = 0; action_kinds[i]; i++)
        buf_printf(&kinds, "%s, ", action_kinds[i]->name);
    buf_str_append(&kinds, STR("or a target as slack (all: gaff targets ls)"));
    problem_at_key(r->problems, node, "destination \"" STR_FMT "\" does nothing; give it one of %s",
                   STR_ARG(node->key), buf_cstr(&kinds));
    buf_release(&kinds);
}

static struct action_config *read_kind(struct config_reader *r, const struct yaml *node)
{
    const struct action_kind *kind = action_kind_find(node->key);
    if (kind)
        return kind->read(r->arena, node, r->problems);
    struct target_table *targets = r->config->targets;
    const struct target *target = target_find(targets, node->key, r->problems);
    return target ? action_target_read(target, r->arena, node, r->problems) : NULL;
}

/* known: no key was misspelt; otherwise that one may have been the action. */
static void read_action(struct config_reader *r, const struct yaml *node, bool known,
                        struct destination_config *d)
{
    const struct yaml *first = NULL;
    for (const struct yaml *one = node->first; one; one = one->next) {
        if (!action_kind_find(one->key) && !target_exists(r->config->targets, one->key))
            continue;
        if (first) {
            problem_at_key(r->problems, one,
                           "a destination does one thing: \"" STR_FMT "\" is there already; make "
                           "two destinations and name both in the route",
                           STR_ARG(first->key));
            continue;
        }
        first = one;
        d->action = read_kind(r, one);
    }
    if (!first && known)
        report_no_action(r, node);
}

static struct destination_config *read_destination(struct config_reader *r, const struct yaml *node,
                                                   const char *const *keys)
{
    struct destination_config *d = CONFIG_NEW(r, struct destination_config);
    d->name = node->key;
    d->place = node;
    d->index = r->config->destination_count;
    d->concurrency = 1;
    d->timeout_ms = TIMEOUT_DEFAULT_MS;
    config_name_check(r, node, "destination");
    bool known = read_keys(r->problems, node, keys);
    if (node->kind != YAML_MAP)
        return d;
    read_action(r, node, known, d);
    if (d->action) {
        d->concurrency = d->action->default_concurrency;
        d->rate = d->action->default_rate;
        if (d->action->timeout_ms > 0)
            d->timeout_ms = d->action->timeout_ms;
    }
    int64_t concurrency = d->concurrency;
    if (read_int(r->problems, yaml_get(node, STR("concurrency")), 1, CONCURRENCY_MAX, &concurrency))
        d->concurrency = (int)concurrency;
    read_rate(r->problems, yaml_get(node, STR("rate")), &d->rate);
    read_duration(r->problems, yaml_get(node, STR("timeout")), 1, 7 * DAY_MS, &d->timeout_ms);
    if (d->action)
        d->action->timeout_ms = d->timeout_ms; /* the action enforces it */
    read_order(r, node, d);
    read_latest(r, node, d);
    config_filter_read(r, node, &d->where, &d->transform);
    read_retry(r, yaml_get(node, STR("retry")), &d->retry);
    read_circuit(r, yaml_get(node, STR("circuit")), d);
    return d;
}

void config_destinations_read(struct config_reader *r, const struct yaml *node)
{
    struct config *c = r->config;
    if (!node)
        return;
    if (node->kind != YAML_MAP || node->count > CONFIG_OBJECTS_MAX) {
        problem_at(r->problems, node, "expected a mapping of at most %u names to destinations",
                   CONFIG_OBJECTS_MAX);
        return;
    }
    const char *const *keys = known_keys(r);
    c->destinations = CONFIG_ARRAY(r, struct destination_config *, node->count);
    for (const struct yaml *one = node->first; one; one = one->next) {
        struct destination_config *d = read_destination(r, one, keys);
        c->destinations[c->destination_count++] = d;
        map_put(&c->destinations_by_name, d->name, d);
    }
}
