/* import_rule.h -- a hook's rule taken apart for the importer: what proves the sender, and the rest
 * as a match of Gaff's. And what the files of the importer share. */
#ifndef GAFF_COMPAT_IMPORT_RULE_H
#define GAFF_COMPAT_IMPORT_RULE_H

#include "compat/hook_import.h"

struct import {
    struct arena arena;
    struct buf *out;
    struct buf notes; /* to be written after the line at hand */
    str base, name;   /* name: of the hook at hand */
    bool wants_stdin;
    bool is_form; /* the payload is a form, whose fields no template can name */
    struct hook_import *done;
};

struct import_rule {
    const struct hook_rule *signature, *addresses; /* must hold in every case; NULL: none */
    const struct hook_rule *whole;                 /* NULL: always */
    bool is_form;
};

/* NULL, or why the rule has no equivalent: a proof that need not hold in every case. */
const char *import_rule_split(struct import_rule *out, const struct hook *h, struct arena *a);
/* Writes "    match: ..." unless nothing is left to match. */
void import_rule_write(struct import *m, const struct import_rule *r);

/* A comment line before what follows; _after: behind the line that is being written. */
void import_note(struct import *m, const char *fmt, ...) PRINTF_LIKE(2, 3);
void import_note_after(struct import *m, const char *fmt, ...) PRINTF_LIKE(2, 3);
void import_flush_notes(struct import *m);
/* Text inside a comment: on one line. */
void import_comment(struct buf *out, str text);

/* A YAML scalar in double quotes in which ${ is no reference. */
void import_quote(struct buf *out, str text);
/* Text in which {{ is no reference. */
void import_template_literal(struct buf *out, str text);
/* A name that can stand in a reference. */
bool import_can_refer(str name);
/* The name as a path into the payload: a list at the top has no name of its own. */
str import_path(str name);
/* Headers whose senders write "sha256=" before the signature. */
bool import_prefix_is_usual(str header);

#endif
