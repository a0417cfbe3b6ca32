/* client_curl.c -- finds libcurl at run time. It stays loaded for the life of the process. */
#include "http/client_curl.h"

#include "base/log.h"
#include "http/client.h"

#include <dlfcn.h>
#include <pthread.h>

struct libcurl libcurl;
static struct reason load_failure;

#ifdef __APPLE__
static const char *const names[] = {"libcurl.4.dylib", "libcurl.dylib"};
#else
static const char *const names[] = {"libcurl.so.4", "libcurl.so"};
#endif

static void find_calls(void *lib)
{
    static const struct {
        const char *name;
        void *at; /* a function pointer; POSIX lets dlsym fill it */
    } calls[] = {
#define X(name) {"curl_" #name, &libcurl.name},
        LIBCURL_CALLS(X)
#undef X
    };
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        void *found = dlsym(lib, calls[i].name);
        if (!found) {
            fail(&load_failure, ERR_IO, "libcurl is too old: it has no %s (7.85 or newer)",
                 calls[i].name);
            return;
        }
        memcpy(calls[i].at, &found, sizeof(found));
    }
    if (libcurl.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        fail(&load_failure, ERR_IO, "libcurl could not be initialised");
}

static void load_once(void)
{
    void *lib = NULL;
    for (size_t i = 0; i < ARRAY_LEN(names) && !lib; i++)
        lib = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    if (lib)
        find_calls(lib);
    else
        fail(&load_failure, ERR_IO,
             "libcurl is needed for HTTP and can't be loaded (%s); install it (Debian: libcurl4)",
             dlerror());
}

enum err libcurl_load(struct reason *why)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load_once);
    return load_failure.text[0] ? fail(why, load_failure.code, "%s", load_failure.text) : ERR_OK;
}

const char *http_client_library(void)
{
    return libcurl_load(NULL) == ERR_OK ? libcurl.version() : load_failure.text;
}
