/* algorithm.c -- the tables themselves stand with their schemes. */
#include "verify/algorithm.h"

#include "verify/scheme.h"

size_t algorithm_find(const struct algorithms *of, str word)
{
    size_t i = 0;
    while (i < of->count && !str_eq(of->v[i].word, word))
        i++;
    return i;
}

void algorithms_read(const struct algorithms *of, struct arena *a, const struct yaml *place,
                     const struct yaml *node, unsigned *set, bool *keyed, struct problems *p)
{
    str *words = NULL;
    size_t count = 0, with_secret = 0;
    if (node && !read_str_list(p, a, node, &words, &count))
        return;
    for (size_t i = 0; i < count; i++) {
        size_t k = algorithm_find(of, words[i]);
        if (k == of->count) {
            problem_at(p, node, "unknown algorithm \"" STR_FMT "\": %s", STR_ARG(words[i]),
                       of->words);
            return;
        }
        *set |= 1u << k;
        with_secret += of->v[k].keyed;
    }
    *keyed = with_secret > 0;
    if (!node)
        problem_at(p, place, "\"algorithms\" is missing: [%s] for example", of->example);
    else if (!count)
        problem_at(p, node, "at least one algorithm must be named: [%s] for example", of->example);
    else if (with_secret && with_secret < count)
        problem_at(p, node,
                   "an algorithm with a shared secret cannot stand beside one with a public key: "
                   "everybody knows that key, and it would pass for the secret. Write two "
                   "alternatives");
}
