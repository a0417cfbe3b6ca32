/* hook_rule.h -- does a hook's rule hold for a request? With the error classes of the program
 * whose files are read: a missing value decides nothing by itself, a wrong signature or any other
 * error ends the evaluation unless an `or` forgives it. */
#ifndef GAFF_COMPAT_HOOK_RULE_H
#define GAFF_COMPAT_HOOK_RULE_H

#include "compat/hook_request.h"

enum rule_error { RULE_FINE, RULE_MISSING, RULE_SIGNATURE, RULE_OTHER, RULE_PANIC };

struct rule_answer {
    bool yes;
    enum rule_error error;
};

/* soft: a wrong signature inside `or` counts as no. *why tells the error in a sentence. */
struct rule_answer hook_rule_holds(const struct hook_rule *rule, const struct hook_request *q,
                                   bool soft, int64_t now_ms, struct reason *why);

#endif
