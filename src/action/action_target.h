/* action_target.h -- a destination that is a target of presets/targets:
 *
 *   slack:
 *     webhook_url: "${env:SLACK_WEBHOOK}"   # the target's own fields
 *     title: "Deploy of {{ .ref }}"         # what is said; without these, what Gaff knows to say
 *     text: "by {{ .pusher.name }}"
 *     severity: info                        # info | success | warning | error | critical
 *     link: "{{ .compare }}"
 *     policy: private                       # of targets on your own hosts: where the URL may lead
 *
 * Fields are templates too, but for secrets, addresses and choices. */
#ifndef GAFF_ACTION_ACTION_TARGET_H
#define GAFF_ACTION_ACTION_TARGET_H

#include "action/action.h"
#include "action/target_call.h"

/* node: the mapping under the target's name. The target outlives what is returned. */
struct action_config *action_target_read(const struct target *t, struct arena *a,
                                         const struct yaml *node, struct problems *p);
/* The target of a destination that is one; NULL for others. */
const struct target *action_target_of(const struct action_config *c);
/* The request that an attempt would make, in the task's arena. */
enum err action_target_render(const struct action_config *c, const struct task *t,
                              struct target_request *out, struct reason *why) MUST_USE;

#endif
