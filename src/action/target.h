/* target.h -- what is known of a service that is told about events (a chat, a pager, a CI, a
 * queue with an HTTP API), as data: which fields it needs, the request, what its answers mean.
 * Read from presets/targets (embedded) and from `targets/` in the user's own directory of presets;
 * a file is read when it is first asked for. Immutable afterwards, but for the table itself, which
 * belongs to one thread while a configuration is read. The format: docs/reference/target-format.md.
 */
#ifndef GAFF_ACTION_TARGET_H
#define GAFF_ACTION_TARGET_H

#include "action/message.h"
#include "action/pattern.h"
#include "action/shape.h"
#include "rule/predicate.h"

enum target_kind { TARGET_NOTIFY, TARGET_CI, TARGET_QUEUE };
extern const char *const target_kind_words[]; /* "notify", "ci", "queue" */

struct target_choice {
    str word, value; /* what is written, and what {{ field:NAME }} then stands for */
};

struct target_field {
    str name, about;
    str initial;                   /* STR_NONE: none */
    struct template initial_value; /* of a field that may hold references */
    str pattern_text;
    struct pattern *pattern;       /* NULL: any text */
    struct target_choice *choices; /* NULL: not limited */
    size_t choice_count;
    bool required, secret;
    bool is_map; /* names to values, for $each */
    bool is_url; /* an address, whole or its beginning: never from an event */
};

struct target_header {
    str name;
    struct template value;
};

struct target_scale { /* `{{ severity:NAME }}`: a value for each severity */
    str name;
    str values[SEVERITY_COUNT];
};

enum target_auth { AUTH_NONE, AUTH_BEARER, AUTH_BASIC, AUTH_SIGV4 };

struct target {
    str id, title, docs, verified_by;
    str deprecated; /* "" when it is not */
    enum target_kind kind;
    const struct yaml *file; /* the parsed file; lives as long as the table */

    struct target_field *fields;
    size_t field_count;
    struct target_scale *scales;
    size_t scale_count;

    str method;
    struct template url;
    str *
        hosts; /* allowed hosts, "*.example.org" for all below; none: those of field `host_field` */
    size_t host_count;
    const struct target_field *host_field;
    struct target_header *headers;
    size_t header_count;
    enum target_auth auth;
    struct template auth_parts[5]; /* bearer: token; basic: user, password; sigv4: service, region,
                                      key, secret, session */
    struct shape *query, *json, *form; /* NULL: none; of json, form and text one at most */
    struct template text;
    bool has_text;
    bool uses[4]; /* whether title, text, severity, link reach the request */

    struct predicate *success, *permanent, *retryable, *retry_after, *result_id, *result_link;
    struct rate rate;
    int64_t timeout_ms;
    bool repeatable; /* a repeated request does no harm: any failure is tried again */
    str idempotency; /* what makes it so */
};

struct target_table;

/* dir: the user's own presets, NULL for none; a file there replaces the embedded one of its name.
 */
struct target_table *target_table_new(const char *dir);
void target_table_free(struct target_table *t); /* accepts NULL */

size_t target_count(const struct target_table *t);
/* Sorted by id; NUL-terminated. */
const char *target_id_at(const struct target_table *t, size_t index);
bool target_exists(const struct target_table *t, str id);
/* Reads the file if it was not yet; NULL when there is none, or problems were reported. */
const struct target *target_find(struct target_table *t, str id, struct problems *p);

/* target_read.c: one parsed file; NULL with problems. */
struct target *target_read(struct arena *a, const struct yaml *file, str id, struct problems *p);
/* Whether a rendered URL may be called: its host is pinned; https, or the scheme, host and port of
 * base, the value of the host field; no . or .. in its path. */
enum err target_judge_url(const struct target *t, str url, str base, struct reason *why) MUST_USE;
const struct target_field *target_field_find(const struct target *t, str name);
/* Secrets, addresses and choices: never from an event. */
bool target_field_is_literal(const struct target_field *f);
/* NULL, or what is wrong with that value for that field: a sentence without the value. */
const char *target_field_refuses(const struct target_field *f, str value);
/* What {{ field:NAME }} stands for when `value` was written. */
str target_field_value(const struct target_field *f, str value);

#endif
