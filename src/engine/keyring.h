/* keyring.h -- what verification needs from elsewhere and no request may wait for: documents with
 * public keys, fetched and kept, and the confirmations that some services ask for by a URL.
 *
 * Bounded in every way: KEYRING_DOCUMENTS_MAX documents, KEYRING_FETCHES_A_MINUTE fetches, one at a
 * time for a URL, answers of HTTP_ANSWER_BODY_MAX bytes, public addresses only. Its thread starts
 * with the first thing to fetch. */
#ifndef GAFF_ENGINE_KEYRING_H
#define GAFF_ENGINE_KEYRING_H

#include "http/client.h"
#include "verify/keys.h"

#define KEYRING_DOCUMENTS_MAX 64
#define KEYRING_FETCHES_A_MINUTE 60
#define KEYRING_VISITS_MAX 32 /* confirmations under way */

struct keyring;

/* What the options point to is copied, but for `own`, which lives as long as the keyring. */
struct keyring *keyring_new(const struct clock *clock, const struct http_client_options *client);
void keyring_free(struct keyring *k); /* accepts NULL; what is under way is given up */

/* For verifier_options.keys. Any thread. */
const struct key_source *keyring_source(struct keyring *k);

/* GETs url, several times if it must; what comes back only goes to the log, as `what`. Any thread.
 * False when too many are under way. */
bool keyring_visit(struct keyring *k, str url, str what);

/* Documents held, fetches so far, and those that failed. */
void keyring_counts(struct keyring *k, uint64_t *documents, uint64_t *fetched, uint64_t *failed);

#endif
