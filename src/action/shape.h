/* shape.h -- the body, form or query of a request, written as a YAML tree whose scalars are
 * templates, and rendered for each event. Text from outside can't leave its place: the tree decides
 * the structure, and each scalar is escaped as a whole.
 *
 *   json:
 *     text: "{{ title }}"               # always a string
 *     priority: 5                       # a plain number, true, false or null keeps its type
 *     level: "{{ field:level | json_value }}"   # a value that is JSON keeps its type
 *     channel: "{{ field:channel? }}"   # alone and optional: left out when absent or empty
 *     inputs: { $each: inputs }         # a member for each entry of the field `inputs`
 *     env: { $each: env, $key: "X_{{ key }}", $value: { value: "{{ value }}" } }
 *     list: { $each: env, $item: { name: "{{ key }}", value: "{{ value }}" } }
 *     links: [{ $when: "{{ link? }}", href: "{{ link }}" }]   # left out when link is absent or
 * empty
 *
 * A form or a query is one level of names to texts, with the same $each, $key and $value. */
#ifndef GAFF_ACTION_SHAPE_H
#define GAFF_ACTION_SHAPE_H

#include "base/json.h"
#include "base/problem.h"
#include "base/template.h"

struct shape; /* in the arena it was read into; immutable */

struct shape_names { /* which references and fields exist, asked when a shape is read */
    template_known *known;
    bool (*is_map)(str field, void *arg);
    void *arg;
};

/* NULL when anything was reported. `flat`: one level, for forms and queries. */
struct shape *shape_read(struct arena *a, const struct yaml *node, bool flat,
                         const struct shape_names *names, struct problems *p);

struct shape_values {          /* what they stand for in one attempt */
    template_resolve *resolve; /* NULL arg.p for absent, as in template.h */
    /* The i-th entry of a field that is a map; false beyond the last. */
    bool (*entry)(str field, size_t i, str *key, str *value, void *arg);
    void *arg;
};

enum err shape_write_json(const struct shape *s, const struct shape_values *v, struct buf *out,
                          struct arena *a, struct reason *why) MUST_USE;
/* application/x-www-form-urlencoded, also right for a URL's query. */
enum err shape_write_form(const struct shape *s, const struct shape_values *v, struct buf *out,
                          struct arena *a, struct reason *why) MUST_USE;
/* Expands one template; *absent: it is a single optional reference without a value (or with an
 * empty one), so that what it would have filled is left out. */
enum err shape_expand(const struct template *t, const struct shape_values *v, struct arena *a,
                      str *out, bool *absent, struct reason *why) MUST_USE;

#endif
