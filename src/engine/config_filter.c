/* config_filter.c -- `where:` and `transform:` of a route or a destination: jq programs, checked
 * where that can be done (a process with threads must not fork; then the first delivery tells). */
#include "engine/config_read.h"
#include "rule/jq.h"

static void read_program(struct config_reader *r, const struct yaml *node, str *out)
{
    struct reason why = {.text = ""};
    bool missing = false;
    str text;
    if (!node || !read_str(r->problems, node, &text))
        return;
    if (!str_trim(text).n) {
        problem_at(r->problems, node,
                   "an empty program; write one in jq's language, as .ref == "
                   "\"refs/heads/main\"");
        return;
    }
    if (text.n > JQ_PROGRAM_MAX)
        problem_at(r->problems, node, "a jq program has at most %u bytes", JQ_PROGRAM_MAX);
    else if (jq_program_check(text, &missing, &why) != ERR_OK)
        problem_at(r->problems, node, "%s", why.text);
    else if (missing)
        problem_warn(r->problems, node, "%s; until then nothing is delivered through this filter",
                     why.text);
    *out = text;
}

void config_filter_read(struct config_reader *r, const struct yaml *node, str *where,
                        str *transform)
{
    *where = *transform = STR_NONE;
    read_program(r, yaml_get(node, STR("where")), where);
    read_program(r, yaml_get(node, STR("transform")), transform);
}
