/* command_parts.h -- what the files of a command share: command.c (one attempt), command_read.c and
 * command_bounds.c (the configuration). Nobody else includes it. */
#ifndef GAFF_ACTION_COMMAND_PARTS_H
#define GAFF_ACTION_COMMAND_PARTS_H

#include "action/command.h"

#include <unistd.h>

enum template_use { TEMPLATE_LITERAL, TEMPLATE_OF_WORD, TEMPLATE_OF_FILE };

/* Relative paths start at the directory of the file that the node is from. */
const char *command_path(struct arena *a, const struct yaml *node, str path);
/* Compiles the scalar; literal ones take braces as ordinary text. A file's may hold {{ body }} and
 * line breaks. */
void command_template_read(struct template *t, struct arena *a, const struct yaml *node,
                           enum template_use use, struct problems *p);
/* The key is a name for a variable that nothing else sets. */
void command_name_check(const struct command *c, const struct yaml *node, struct problems *p);
void command_limits_read(struct command *c, const struct yaml *node, struct problems *p);
void command_sandbox_read(struct command *c, struct arena *a, const struct yaml *node,
                          struct problems *p);

#endif
