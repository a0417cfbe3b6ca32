/* template.h -- the one template notation, for provider files, targets and routes.
 *
 * Text with references in double braces: "{{ ts }}.{{ body }}", "{{ header:X-Id }}",
 * "{{ .repository.name }}", "{{ body | sha256 | hex }}". A reference is a name (`body`, `ts`,
 * `id`, `url`, `method`, `path`, `secret`, ...), a name with an argument after a colon
 * (`header:NAME`, `query:NAME`, `form:NAME`, `config:NAME`), or a JSON path that begins with a
 * dot. Filters follow after `|`. A trailing `?` (`{{ header:X-Id? }}`) makes absence empty;
 * otherwise a missing value fails the expansion. "{{{{" writes a literal "{{".
 *
 * Compiled once at load; expansion is a pure function that asks a resolver for names. Which names
 * and filters exist is the caller's table, so that an unknown one is an error at load. */
#ifndef GAFF_BASE_TEMPLATE_H
#define GAFF_BASE_TEMPLATE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

struct template_part {
    enum { TEMPLATE_TEXT, TEMPLATE_REF } kind;
    str text;      /* the literal text, or the name of the reference ("header", "." for JSON) */
    str arg;       /* "X-Id", "repository.name"; STR_NONE when there is none */
    bool optional; /* marked with ? */
    str filters[4];
    size_t filter_count;
};

struct template
{
    struct template_part *parts; /* in the arena it was compiled into */
    size_t count;
};

/* The value of a reference; STR_NONE when absent. The slice must live until the expansion is
 * done (use the arena for what is computed). */
typedef str template_resolve(const struct template_part *ref, struct arena *a, void *arg);
/* Applies a filter that is not built in; STR_NONE on failure. May be NULL. Built in, always there
 * and never asked for: lower, upper, hex, base64, base64url, json (quoted and escaped), json_value
 * (as it is when it is JSON, else quoted), url (percent-encoded), shell (single-quoted), html (&, <
 * and > escaped), line (line breaks become blanks), trunc:N (at most N characters),
 * branch (refs/heads/main as main). */
typedef str template_filter(str name, str in, struct arena *a, void *arg);

/* True when `name` is known; used at load. Not asked for built-in filters. */
typedef bool template_known(str name, bool is_filter, void *arg);

#define TEMPLATE_BYTES_MAX (64u << 10)

/* Compiles text, which need not outlive the call; NULL `known` accepts any reference and the
 * built-in filters. ERR_INVALID with a reason that names the reference; ERR_LIMIT when the text
 * is over TEMPLATE_BYTES_MAX or the arena is full. */
enum err template_compile(struct template *t, struct arena *a, str text, template_known *known,
                          void *arg, struct reason *why) MUST_USE;

/* Appends the expansion to out. ERR_NOT_FOUND with the reference's name when a value that is not
 * optional is absent; ERR_LIMIT when out is full. */
enum err template_expand(const struct template *t, struct buf *out, struct arena *a,
                         template_resolve *resolve, template_filter *filter, void *arg,
                         struct reason *why) MUST_USE;
/* Reads what may stand between the braces ("header:X-Id? | lower"), for settings that name one
 * reference and need no braces. Slices of inner. */
enum err template_parse_ref(struct template_part *out, str inner, struct reason *why) MUST_USE;
/* The built-in filters alone. STR_NONE when the value cannot be filtered (a NUL byte for shell)
 * or the arena is full. */
bool template_filter_is_builtin(str filter);
str template_filter_builtin(str filter, str in, struct arena *a);

/* True when no part is a reference. */
bool template_is_constant(const struct template *t);
/* True when some part is a reference of that name ("ts"). */
bool template_mentions(const struct template *t, str name);

#endif
