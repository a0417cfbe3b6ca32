/* codec.h -- hex, base64, base64url, percent-encoding, UTF-8; bounded, constant-shape, no state. */
#ifndef GAFF_BASE_CODEC_H
#define GAFF_BASE_CODEC_H

#include "base/arena.h"
#include "base/buf.h"

/* Lower-case; out holds 2n bytes, no NUL. */
void hex_encode(const void *in, size_t n, char *out);
/* Both cases; false on odd length, other bytes, or more than out_max bytes. */
bool hex_decode(str in, uint8_t *out, size_t out_max, size_t *out_n);

#define BASE64_LEN(n) (((n) + 2) / 3 * 4)
/* Standard alphabet, padded; out holds BASE64_LEN(n). Returns the length written. */
size_t base64_encode(const void *in, size_t n, char *out);
/* URL alphabet, unpadded. */
size_t base64url_encode(const void *in, size_t n, char *out);
/* Standard alphabet (url: URL alphabet); padding optional but if present right; false on any
 * other byte, on non-zero spare bits, or when more than out_max bytes. */
bool base64_decode(str in, uint8_t *out, size_t out_max, size_t *out_n);
bool base64url_decode(str in, uint8_t *out, size_t out_max, size_t *out_n);

/* %XX (and '+' as a blank when plus) decoded into the arena; STR_NONE when malformed. Returns
 * `in` itself when there is nothing to decode. */
str percent_decode(struct arena *a, str in, bool plus);
/* Everything but RFC 3986 unreserved bytes becomes %XX. */
void percent_encode(struct buf *out, str in);
/* Everything but what is_plain takes becomes %XX, in the arena; STR_NONE when that is full. */
str percent_encode_but(struct arena *a, str in, bool (*is_plain)(unsigned char c));

/* RFC 3629: no overlong forms, surrogates, or values over U+10FFFF. */
bool utf8_valid(str s);
/* The first character of s: its length in bytes and its code point; 0 when s is empty or does not
 * begin with a valid one. */
size_t utf8_decode(str s, uint32_t *code_point);
/* True for what must not reach a terminal or a log as it is: C0, C1, DEL, U+2028/9, bidi
 * controls. */
bool text_is_unsafe(uint32_t code_point);
/* Appends s safe for a terminal or a log line: C0, C1, DEL, U+2028/9, bidi controls and invalid
 * UTF-8 become \xNN or \uNNNN; at most max bytes of input, then an ellipsis. */
void text_escape(struct buf *out, str s, size_t max);

#endif
