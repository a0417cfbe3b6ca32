/* multipart.h -- all parts of a multipart/form-data body, in order, as Go's mime/multipart takes
 * them: lines may end in LF alone, a part without a name is passed over, a body without its last
 * boundary is refused. Bounded; slices point into the body. */
#ifndef GAFF_COMPAT_MULTIPART_H
#define GAFF_COMPAT_MULTIPART_H

#include "base/err.h"
#include "base/str.h"

#define MULTIPART_PARTS_MAX 1000u
#define MULTIPART_HEAD_MAX 65536u

struct multipart {
    str rest;     /* not looked at yet */
    str boundary; /* of at most 70 bytes */
    size_t parts;
    bool begun, over;
    str line_end; /* "\r\n" or "\n", learnt from the first boundary */
};

struct multipart_part {
    str name, filename; /* filename STR_NONE: a value, not a file */
    str content_type;   /* the first; STR_NONE: none */
    bool json;          /* some Content-Type is exactly application/json */
    str content;
};

/* False when content_type names no boundary. */
bool multipart_init(struct multipart *m, str content_type, str body);
/* The next part with a name. False at the end, or with *why->code set. */
bool multipart_next(struct multipart *m, struct multipart_part *out, struct reason *why);

#endif
