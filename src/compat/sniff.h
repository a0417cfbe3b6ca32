/* sniff.h -- the Content-Type of a body that has none, by its first 512 bytes: the WHATWG MIME
 * sniffing algorithm in the form that Go's net/http uses. Static text. */
#ifndef GAFF_COMPAT_SNIFF_H
#define GAFF_COMPAT_SNIFF_H

#include "base/str.h"

str content_sniff(str body);

#endif
