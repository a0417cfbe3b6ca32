/* compiler.h -- the few attributes and helpers that every file may use.
 *
 * Include order everywhere: own header, "base/...", other layers, then <system>. */
#ifndef GAFF_BASE_COMPILER_H
#define GAFF_BASE_COMPILER_H

#include "base/banned.h"

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define UNUSED(x) ((void)(x))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* A handle that travels through `void *` carries a magic number as its first member. */
#define CHECK_MAGIC(obj, value) assert((obj) != NULL && (obj)->magic == (value))

#endif
