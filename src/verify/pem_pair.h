/* pem_pair.h -- a certificate and its private key, as a client shows them in TLS. */
#ifndef GAFF_VERIFY_PEM_PAIR_H
#define GAFF_VERIFY_PEM_PAIR_H

#include "base/str.h"

bool pem_is_certificate(str text); /* one at least, in PEM */
/* True when both are PEM (the key without a password) and the key is the certificate's. Further
 * certificates may follow the first. */
bool pem_pair_fits(str certificate, str key);

#endif
