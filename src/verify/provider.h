/* provider.h -- what is known of a provider, as data: how it signs, where its ids are, how it
 * greets. Read from the files in presets/providers (embedded) and from the user's own directory of
 * the same format; compiled once; immutable and shared by all threads afterwards. */
#ifndef GAFF_VERIFY_PROVIDER_H
#define GAFF_VERIFY_PROVIDER_H

#include "base/problem.h"
#include "base/template.h"

struct provider;
struct provider_table;

/* Gaff's own files, of which one is read when it is asked for; safe for several threads. */
struct provider_table *provider_table_new(void);
/* Adds every *.yaml of a directory; one of the same id replaces the embedded one. */
void provider_table_add_dir(struct provider_table *t, const char *dir, struct problems *p);
/* Adds one parsed file (tests, inline schemes of a source: `verify:` in gaff.yaml). */
struct provider *provider_table_add(struct provider_table *t, const struct yaml *file,
                                    struct problems *p);
void provider_table_free(struct provider_table *t);

/* NULL when unknown; *nearest then is the id to suggest, or NULL. */
const struct provider *provider_find(struct provider_table *t, str id, const char **nearest);
/* All ids, sorted; how many. */
size_t provider_ids(struct provider_table *t, struct arena *a, str **out);

str provider_id(const struct provider *p);
str provider_title(const struct provider *p);
/* What people need to know and no request shows; empty where the file does not say. */
struct provider_facts {
    str docs, verified_by, evidence, retries;
    int64_t deadline_ms; /* for our answer; 0: not known */
    str *setup;          /* what to do there, step by step */
    size_t setup_count;
    bool greets; /* it asks before it sends events, and is answered */
};
const struct provider_facts *provider_facts(const struct provider *p);
#define PROVIDER_WAYS_MAX 8
/* "hmac-sha256 of the body in X-Hub-Signature-256" in the arena: one for each way that it may
 * prove itself; how many. */
size_t provider_ways(const struct provider *p, struct arena *a, str out[PROVIDER_WAYS_MAX]);
/* What a source may set. */
struct provider_option {
    str name, about;
    str initial;   /* its default; an example when it has none */
    bool required; /* has no default */
};
const struct provider_option *provider_options(const struct provider *p, size_t *count);
/* False for schemes without any secret (none, ip): a source then must not be given one. */
bool provider_needs_secret(const struct provider *p);
/* False when anybody who knows the URL may post (scheme none, or ip only without ranges). */
bool provider_authenticates(const struct provider *p);
/* True when the proof is the client's TLS certificate: some listener must ask for one. */
bool provider_needs_certificate(const struct provider *p);

/* True when it gives its secret in a handshake. */
bool provider_learns(const struct provider *p);

/* The name of the index-th header field its signature is made of or found in; STR_NONE beyond the
 * last. A name may come twice. */
str provider_header(const struct provider *p, size_t index);

#endif
