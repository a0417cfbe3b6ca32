/* hook.h -- hooks.json read into an immutable set: what each hook answers to, its rule, its
 * command. Read as YAML 1.1 whatever the name of the file says, keys in any letter case, unknown
 * ones ignored, scalars turned into text where text is wanted.
 *
 * A set is counted: requests in flight keep the one they began with. */
#ifndef GAFF_COMPAT_HOOK_H
#define GAFF_COMPAT_HOOK_H

#include "base/arena.h"
#include "base/err.h"
#include "http/message.h"
#include "rule/regex.h"

#include <stdatomic.h>

struct hook_argument {
    str source, name, envname;
    bool base64decode;
    unsigned line, column;
};

enum hook_rule_kind { HOOK_RULE_NONE, HOOK_RULE_AND, HOOK_RULE_OR, HOOK_RULE_NOT, HOOK_RULE_MATCH };

struct hook_rule {
    enum hook_rule_kind kind;
    struct hook_rule *rules; /* of and, or (count) and not (one) */
    size_t count;
    /* of match */
    str type, value, regex, secret, ip_range;
    struct hook_argument parameter;
    const struct regex *compiled; /* of regex; NULL: does not compile, bad_regex says why */
    const char *bad_regex;        /* in the arena of the file */
    unsigned line, column;
};

struct hook_arguments {
    struct hook_argument *v;
    size_t count;
};

struct hook {
    str id;
    str execute_command, working_directory;
    str response_message;
    struct http_field *response_headers;
    size_t response_header_count;
    int64_t success_code, mismatch_code;
    bool capture_output, capture_output_on_error, soft_failures;
    str content_type; /* incoming-payload-content-type */
    str *methods;
    size_t method_count;
    struct hook_arguments arguments, environment, files, json_parameters;
    struct hook_rule *rule; /* NULL: always */
    unsigned line, column;
    size_t number; /* in its file, from 0 */
};

/* The hooks of one file. */
struct hook_file {
    _Atomic int refs;
    struct arena arena;
    str path;
    struct hook *hooks;
    size_t count;
};

/* One template expansion before the file is read (see go_template.h), or not. */
struct hook_file *hook_file_load(const char *path, bool as_template, struct reason *why);
/* The same from text that is there already. */
struct hook_file *hook_file_parse(str path, str text, bool as_template, struct reason *why);
struct hook_file *hook_file_ref(struct hook_file *f);
void hook_file_unref(struct hook_file *f);                            /* accepts NULL */
const struct hook *hook_file_find(const struct hook_file *f, str id); /* the first */

#endif
