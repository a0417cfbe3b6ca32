/* parse.h -- one request off the wire: RFC 9112 by llhttp in strict mode, and the checks it leaves
 * to its caller. No I/O, no allocation; slices point into the caller's bytes.
 *
 * First the head: the caller keeps the bytes of the request contiguous from its first byte and
 * hands over what is new by parse_head until PARSE_DONE. Then parse_body_begin with the limit of
 * this request, and parse_body until PARSE_DONE. The verdict does not depend on how the bytes
 * were cut. After PARSE_FAILED nothing further on the connection can be trusted. */
#ifndef GAFF_HTTP_PARSE_H
#define GAFF_HTTP_PARSE_H

#include "http/message.h"
#include "http/server.h"

enum parse_result {
    PARSE_MORE, /* all bytes were taken and more are needed */
    PARSE_DONE,
    PARSE_FAILED, /* status, code and text say why */
};

struct parse {
    const struct http_limits *limits;
    struct http_field *fields; /* room for limits->header_count_max, the caller's */
    size_t field_count;
    bool any_method; /* set after parse_init: every token is a method, known to llhttp or not */

    /* Valid once parse_head is done. */
    str method, target;
    str host;               /* the Host field; STR_NONE with HTTP/1.0 without one */
    size_t head_n;          /* bytes from the first of the request to the end of the empty line */
    int64_t content_length; /* 0 when there is no body; unknown (0) when chunked */
    bool chunked, keep_alive, expect_continue;
    bool http_1_0;

    int64_t body_n, body_max; /* bytes of content so far, and the most there may be */

    /* After PARSE_FAILED; static text. */
    int status;
    const char *code, *text;

    /* The rest is private to parse.c. */
    const char *start, *fed, *line_end;
    bool in_name, in_chunk_line, last_chunk;
    int64_t raw_n, chunk_line, chunk_extension, chunk_data_end, extensions_n;
    const char *raw;
    size_t decoded_n;
    char *out;
    _Alignas(8) unsigned char machine[128]; /* an llhttp_t */
};

/* For the next request; keeps limits and fields. */
void parse_init(struct parse *p, const struct http_limits *limits, struct http_field *fields);

/* start: the first byte of the request; end: behind the last byte received. Bytes up to the end
 * of the former call were seen already. */
enum parse_result parse_head(struct parse *p, const char *start, const char *end);
/* The bytes of the head have been copied to new_start; to be called while the old ones exist. */
void parse_head_moved(struct parse *p, const char *new_start);

/* PARSE_DONE when there is no content at all. Refuses a Content-Length over body_max. */
enum parse_result parse_body_begin(struct parse *p, int64_t body_max);
/* Decodes raw[0..n) in place: the content lies at raw[0..*body_n) afterwards. *taken is how many
 * raw bytes belonged to this request; only with PARSE_DONE less than n. */
enum parse_result parse_body(struct parse *p, char *raw, size_t n, size_t *taken, size_t *body_n);

#endif
