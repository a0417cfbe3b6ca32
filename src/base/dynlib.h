/* dynlib.h -- optional libraries, loaded when something first needs them. */
#ifndef GAFF_BASE_DYNLIB_H
#define GAFF_BASE_DYNLIB_H

#include "base/err.h"

/* A file lists what it calls and gets a struct of pointers of the right types:
 *
 *   #define CALLS(X) X(redisFree) X(redisGetReply)
 *   static struct { CALLS(DYNLIB_POINTER) } redis;
 *   #define CALL(name) {#name, &redis.name},
 *   static const struct dynlib_call calls[] = {CALLS(CALL)};
 */
#define DYNLIB_POINTER(name) __typeof__(&(name)) name;

/* The text of a soname that the Makefile passed as a word. */
#define DYNLIB_SONAME(word) DYNLIB_TEXT(word)
#define DYNLIB_TEXT(word) #word

struct dynlib_call {
    const char *name;
    void *slot; /* of the pointer */
};

struct dynlib {
    const char *soname;  /* of the headers this was built with; NULL: built without */
    const char *package; /* what to install, for people */
    const struct dynlib_call *calls;
    size_t count;
    bool loaded;
};

/* Fills the pointers; once, any thread. ERR_NOT_FOUND with the package to install, or ERR_INVALID
 * when the library lacks a call. */
enum err dynlib_load(struct dynlib *lib, struct reason *why) MUST_USE;

#endif
