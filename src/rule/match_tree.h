/* match_tree.h -- a compiled match, shared by match.c (decides), match_compile.c (makes it) and
 * match_explain.c (says why); nobody else includes it. */
#ifndef GAFF_RULE_MATCH_TREE_H
#define GAFF_RULE_MATCH_TREE_H

#include "http/address.h"
#include "rule/match.h"
#include "rule/path.h"
#include "rule/regex.h"

#define MATCH_DEPTH_MAX 16

enum match_kind { MATCH_ALL, MATCH_ANY, MATCH_NOT, MATCH_FIELD };

enum match_place {
    PLACE_EVENT,
    PLACE_SOURCE,
    PLACE_METHOD,
    PLACE_JSON,
    PLACE_HEADER,
    PLACE_QUERY,
    PLACE_FORM,
    PLACE_PARAM,
    PLACE_PATH,
    PLACE_IP
};

enum match_test {
    TEST_EQUALS,
    TEST_IN,
    TEST_GLOB,
    TEST_PREFIX,
    TEST_SUFFIX,
    TEST_REGEX,
    TEST_EXISTS,
    TEST_ABOVE,
    TEST_BELOW,
    TEST_AT_LEAST,
    TEST_AT_MOST
};

struct match {
    enum match_kind kind;
    const struct match *first, *next; /* children in order, siblings */
    /* of MATCH_FIELD: */
    enum match_place place;
    enum match_test test;
    str name;         /* of the header, parameter or field; the JSON path as written */
    struct path path; /* of PLACE_JSON */
    str *wanted;      /* one, or several for TEST_IN */
    size_t wanted_count;
    bool exists;   /* of TEST_EXISTS */
    double number; /* of TEST_ABOVE and its like */
    const struct regex *regex;
    const struct net *nets; /* of PLACE_IP: one for each of wanted */
};

/* The answer to a question about a missing field is neither yes nor no, and so is that of a pattern
 * that ran into its limits. */
enum truth { TRUTH_NO, TRUTH_MISSING, TRUTH_YES };

/* Memory for the text of numbers, kept over one evaluation. */
struct match_scratch {
    struct arena arena;
    char digits[24];
};

enum truth match_truth(const struct match *m, const struct facts *f, struct match_scratch *s);

/* What a field holds: its text when scalar, for explanations and tests. */
struct match_value {
    str text;                /* STR_NONE for objects and lists */
    const struct json *json; /* NULL outside JSON */
};
/* Values of the field one by one until visit says stop; false when there was none. */
typedef bool match_visit(const struct match_value *v, void *arg);
bool match_values(const struct match *m, const struct facts *f, struct match_scratch *s,
                  match_visit *visit, void *arg);
enum truth match_value_truth(const struct match *m, const struct match_value *v);

void match_explain(const struct match *m, const struct facts *f, struct match_scratch *s,
                   struct buf *why);

/* `json ref is "main"`, or `json ref is missing`. */
void match_explain_value(const struct match *field, const struct facts *f, struct match_scratch *s,
                         struct buf *out);

/* A decimal number (sign, fraction and exponent allowed), all of s. */
bool match_number_parse(str s, double *out);

#endif
