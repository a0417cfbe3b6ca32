/* message_compile.c -- what a provider file says of RFC 9421: algorithms, and what must be covered.
 */
#include "http/structured.h"
#include "verify/algorithm.h"
#include "verify/message_base.h"
#include "verify/scheme.h"

/* A list, or the words of a text (an option of the file is one). */
static void compile_components(struct message_rule *r, struct arena *a, const struct yaml *node,
                               struct problems *p)
{
    str words[COMPONENTS_MAX], *list = NULL, rest;
    size_t count = 0;
    if (!node)
        return;
    if (node->kind == YAML_LIST) {
        if (!read_str_list(p, a, node, &list, &count))
            return;
    } else if (read_str(p, node, &rest)) {
        for (; rest.p && count < COMPONENTS_MAX; list = words) {
            str word = str_cut(&rest, ' ');
            if (word.n)
                words[count++] = word;
        }
    }
    if (!count || count > COMPONENTS_MAX) {
        problem_at(p, node, "expected 1 to %d components, as [\"@method\", \"@target-uri\"]",
                   COMPONENTS_MAX);
        return;
    }
    r->components = ARENA_ARRAY(a, str, count);
    for (size_t i = 0; r->components && i < count; i++) {
        str c = message_component(a, list[i]);
        if (c.p)
            r->components[r->component_count++] = c;
        else
            problem_at(p, node,
                       "\"" STR_FMT "\" is no component: @method, @target-uri, a header's name in "
                       "small letters ...",
                       STR_ARG(list[i]));
    }
}

void message_compile(struct scheme *s, struct arena *a, const struct yaml *node, struct problems *p)
{
    struct message_rule *r = &s->message;
    algorithms_read(&message_algorithms, a, node, yaml_get(node, STR("algorithms")), &r->algorithms,
                    &r->keyed, p);
    compile_components(r, a, yaml_get(node, STR("components")), p);
    read_bool(p, yaml_get(node, STR("body-unsigned")), &r->body_unsigned);
    r->keyid = r->tag = STR("");
    const struct yaml *keyid = yaml_get(node, STR("keyid")), *tag = yaml_get(node, STR("tag"));
    if (read_str(p, keyid, &r->keyid) && !sf_string_holds(r->keyid))
        problem_at(p, keyid, "the name of a key is printable ASCII");
    if (read_str(p, tag, &r->tag) && !sf_string_holds(r->tag))
        problem_at(p, tag, "a tag is printable ASCII");
    r->keyid = arena_str(a, r->keyid);
    r->tag = arena_str(a, r->tag);
    read_duration(p, yaml_get(node, STR("tolerance")), 1000, TOLERANCE_MAX_MS,
                  &s->timestamp.tolerance_ms);
}
