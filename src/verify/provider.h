/* provider.h -- what is known of a provider, as data: how it signs, where its ids are, how it
 * greets. Read from the files in presets/providers (embedded) and from the user's own directory of
 * the same format; compiled once; immutable and shared by all threads afterwards. */
#ifndef GAFF_VERIFY_PROVIDER_H
#define GAFF_VERIFY_PROVIDER_H

#include "base/problem.h"
#include "base/template.h"

struct provider;
struct provider_table;

/* The embedded presets. Problems in them are a bug of the build and are reported too. */
struct provider_table *provider_table_new(struct problems *p);
/* Adds every *.yaml of a directory; one of the same id replaces the embedded one. */
void provider_table_add_dir(struct provider_table *t, const char *dir, struct problems *p);
/* Adds one parsed file (tests, inline schemes of a source: `verify:` in gaff.yaml). */
struct provider *provider_table_add(struct provider_table *t, const struct yaml *file,
                                    struct problems *p);
void provider_table_free(struct provider_table *t);

/* NULL when unknown; *nearest then is the id to suggest, or NULL. */
const struct provider *provider_find(const struct provider_table *t, str id, const char **nearest);
size_t provider_count(const struct provider_table *t);
const struct provider *provider_at(const struct provider_table *t, size_t index);

str provider_id(const struct provider *p);
str provider_title(const struct provider *p);
/* False for schemes without any secret (none, ip): a source then must not be given one. */
bool provider_needs_secret(const struct provider *p);
/* False when anybody who knows the URL may post (scheme none, or ip only without ranges). */
bool provider_authenticates(const struct provider *p);

/* The name of the index-th header field its signature is made of or found in; STR_NONE beyond the
 * last. A name may come twice. */
str provider_header(const struct provider *p, size_t index);

#endif
