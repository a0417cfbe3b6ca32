/* config_rig.h -- what the tests of the configuration share: a text in, a snapshot or its problems
 * out. For config_*_test.c only. */
#ifndef GAFF_TESTS_CONFIG_RIG_H
#define GAFF_TESTS_CONFIG_RIG_H

#include "engine/config.h"

#include "base/fs.h"
#include "unit.h"

#include <sys/stat.h>
#include <unistd.h>

#define SECRET "0123456789abcdef"
#define GITHUB "sources:\n  github: { provider: github, secret: \"${env:S}\" }\n"
#define DEPLOY "destinations:\n  deploy: { exec: { command: [/bin/true] } }\n"
#define ROUTE "routes:\n  - { from: github, to: [deploy] }\n"

static struct problems problems;

static inline struct config *load(const char *text)
{
    str s = str_from_cstr(text);
    setenv("S", SECRET, 1);
    problems_release(&problems);
    return config_load("gaff.yaml", &s, &problems);
}

static inline struct config *load_good(const char *text)
{
    struct config *c = load(text);
    if (!c)
        FAIL("%s", problems.count ? problems.v[0].text : "no snapshot");
    return c;
}

static inline void write_file(const char *name, const char *text)
{
    struct reason why = {0};
    EXPECT_OK(fs_write_atomic(unit_path(name), str_from_cstr(text), 0600, &why), why);
}

/* One problem, and it reads so. */
static inline void expect_problem(const char *text, const char *words)
{
    struct config *c = load(text);
    if (problems.count != 1) {
        for (size_t i = 0; i < problems.count; i++)
            fprintf(stderr, "%s\n", problems.v[i].text);
        FAIL("%zu problems, expected 1: %s", problems.count, words);
    }
    EXPECT_CSTR(problems.v[0].text, words);
    EXPECT((c != NULL) == problems.v[0].warning);
    config_unref(c);
}

static inline bool has_problem(const char *words)
{
    for (size_t i = 0; i < problems.count; i++)
        if (strstr(problems.v[i].text, words))
            return true;
    return false;
}

static inline const struct source_config *source(const struct config *c, const char *name)
{
    const struct source_config *s = map_get(&c->sources_by_name, str_from_cstr(name));
    EXPECT(s);
    return s;
}

static inline const struct destination_config *destination(const struct config *c, const char *name)
{
    const struct destination_config *d = map_get(&c->destinations_by_name, str_from_cstr(name));
    EXPECT(d);
    return d;
}

#endif
