/* crc32c.h -- CRC-32C (Castagnoli, RFC 3720 appendix B.4), by the processor where it can. */
#ifndef GAFF_STORE_CRC32C_H
#define GAFF_STORE_CRC32C_H

#include "base/compiler.h"

/* The checksum of n bytes; pass the result as `seed` to go on, 0 to begin. Any thread. */
uint32_t crc32c(uint32_t seed, const void *p, size_t n);

#endif
