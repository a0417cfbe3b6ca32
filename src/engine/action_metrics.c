/* action_metrics.c -- kinds are known by their place in action_kinds. */
#include "engine/action_metrics.h"

#include "action/action.h"
#include "engine/metrics.h"

#define TARGET (ACTION_KINDS_MAX - 2)
#define ENDPOINT (ACTION_KINDS_MAX - 1)
#define OTHER 1

static const char *const exit_words[] = {
#define X(word) word,
    ACTION_EXITS(X)
#undef X
};

static size_t kind_index(const char *name)
{
    for (size_t i = 0; action_kinds[i]; i++) {
        assert(i < TARGET);
        if (strcmp(action_kinds[i]->name, name) == 0)
            return i;
    }
    return TARGET;
}

void action_metrics_note(struct action_metrics *m, const char *kind, bool is_endpoint, str exit,
                         int64_t us)
{
    struct action_count *c = &m->of[is_endpoint ? ENDPOINT : kind_index(kind)];
    size_t i = 0;
    while (i < ACTION_EXIT_COUNT && !str_eq(exit, str_from_cstr(exit_words[i])))
        i++;
    atomic_fetch_add_explicit(&c->exits[i < ACTION_EXIT_COUNT ? i : OTHER], 1,
                              memory_order_relaxed);
    histogram_add(&c->us, &histogram_durations, us);
}

static const char *kind_name(size_t i)
{
    return i == ENDPOINT ? "endpoint" : i == TARGET ? "target" : action_kinds[i]->name;
}

static bool ran(const struct action_count *c)
{
    for (size_t i = 0; i < ACTION_EXIT_COUNT; i++)
        if (atomic_load_explicit(&c->exits[i], memory_order_relaxed))
            return true;
    return false;
}

void action_metrics_write(const struct action_metrics *m, struct buf *out)
{
    char label[64];
    metrics_family(out, "gaff_action_runs_total", "counter",
                   "Attempts by the kind of action and how they ended.");
    for (size_t k = 0; k < ACTION_KINDS_MAX; k++) {
        for (size_t i = 0; i < ACTION_EXIT_COUNT; i++) {
            uint64_t n = atomic_load_explicit(&m->of[k].exits[i], memory_order_relaxed);
            if (n)
                buf_printf(out, "gaff_action_runs_total{action=\"%s\",exit=\"%s\"} %llu\n",
                           kind_name(k), exit_words[i], (unsigned long long)n);
        }
    }
    metrics_family(out, "gaff_action_duration_seconds", "histogram",
                   "How long attempts took, by the kind of action.");
    for (size_t k = 0; k < ACTION_KINDS_MAX; k++) {
        if (!ran(&m->of[k]))
            continue;
        snprintf(label, sizeof(label), "action=\"%s\"", kind_name(k));
        metrics_histogram(out, "gaff_action_duration_seconds", label, &m->of[k].us,
                          &histogram_durations);
    }
}
