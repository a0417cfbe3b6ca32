/* place.h -- writes a value where a reference of a provider file reads it: into the JSON or form
 * body, or the query of the URL. For signing; the other way round of reference.h. */
#ifndef GAFF_VERIFY_PLACE_H
#define GAFF_VERIFY_PLACE_H

#include "verify/reference.h"

/* Replaces the value at r in *body or *url by value; what is changed lives in the arena. For
 * REF_ITEM, path leads to the item. ERR_INVALID with a reason: the body has no such member (one
 * that is to be replaced must be there), or values of this kind cannot be placed. */
enum err value_place(const struct ref *r, str path, str value, struct arena *a, str *body, str *url,
                     struct reason *why);

#endif
