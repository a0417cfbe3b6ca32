/* go_expansion.h -- the parts of a template's one pass: what an expression gives, where the pass
 * stands, and who does what. go_template.c finds actions and obeys them, go_expression.c parses and
 * evaluates what stands in them, go_function.c has the functions. */
#ifndef GAFF_COMPAT_GO_EXPANSION_H
#define GAFF_COMPAT_GO_EXPANSION_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/map.h"

#define GO_NESTING_MAX 64u
#define GO_ARGUMENTS_MAX 16u
#define GO_TEXT_BYTES_MAX (4u << 20)

struct go_operand { /* what an expression gives */
    enum { GO_NIL, GO_BOOL, GO_INT, GO_STRING } kind;
    bool truth;
    int64_t integer;
    str text;
};

struct go_branch { /* an open if */
    bool parent_live, taken;
};

struct go_expansion {
    struct arena *arena;
    str name, whole, rest; /* rest: of the whole; inside an action of the action */
    struct buf *out;
    struct reason *why;
    struct map variables; /* to struct go_operand, in the arena */
    struct go_branch branches[GO_NESTING_MAX];
    unsigned depth, parens;
    bool live, failed;
};

/* The pass has failed in the line where it stands, with these words, unless it had failed before.
 * Gives nil. */
struct go_operand go_give_up(struct go_expansion *x, const char *what, str shown);

/* --- operands (go_expression.c) --- */

struct go_operand go_string(str s);
struct go_operand go_bool(bool b);
bool go_is_true(const struct go_operand *v);
str go_text(struct go_expansion *x, const struct go_operand *v);
/* What a builder made, into the arena; the builder is released. */
struct go_operand go_built(struct go_expansion *x, struct buf *b);

/* --- functions (go_function.c) --- */

enum go_function {
    GO_FN_GETENV,
    GO_FN_CAT,
    GO_FN_CREDENTIAL,
    GO_FN_JS,
    GO_FN_HTML,
    GO_FN_URLQUERY,
    GO_FN_PRINT,
    GO_FN_PRINTLN,
    GO_FN_PRINTF,
    GO_FN_LEN,
    GO_FN_AND,
    GO_FN_OR,
    GO_FN_NOT,
    GO_FN_EQ,
    GO_FN_NE,
    GO_FN_LT,
    GO_FN_LE,
    GO_FN_GT,
    GO_FN_GE,
    GO_FUNCTIONS,
};

bool go_function_named(str word, enum go_function *f);
/* In a branch that is not taken: the arguments are counted, and nil is given. */
struct go_operand go_call(struct go_expansion *x, enum go_function f, const struct go_operand *v,
                          size_t count);

/* --- expressions (go_expression.c): each takes what it reads from the front of x->rest --- */

void go_skip_blanks(struct go_expansion *x);
bool go_take(struct go_expansion *x, char c); /* blanks before it too */
str go_take_word(struct go_expansion *x);     /* may be empty */
struct go_operand go_pipeline(struct go_expansion *x);

#endif
