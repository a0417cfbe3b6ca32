/* store_postgres_lib.c -- loads libpq and finds its functions by name. */
#include "store/store_postgres_lib.h"

#include <dlfcn.h>
#include <pthread.h>

#define CALLS(X)                                                                                   \
    X(connectStartParams)                                                                          \
    X(connectPoll)                                                                                 \
    X(status)                                                                                      \
    X(socket)                                                                                      \
    X(backendPID)                                                                                  \
    X(serverVersion)                                                                               \
    X(errorMessage)                                                                                \
    X(finish)                                                                                      \
    X(setnonblocking)                                                                              \
    X(sendQuery)                                                                                   \
    X(sendQueryParams)                                                                             \
    X(enterPipelineMode)                                                                           \
    X(exitPipelineMode)                                                                            \
    X(pipelineSync)                                                                                \
    X(flush)                                                                                       \
    X(consumeInput)                                                                                \
    X(isBusy)                                                                                      \
    X(getResult)                                                                                   \
    X(resultStatus)                                                                                \
    X(resultErrorField)                                                                            \
    X(ntuples)                                                                                     \
    X(getvalue)                                                                                    \
    X(getlength)                                                                                   \
    X(getisnull)                                                                                   \
    X(clear)                                                                                       \
    X(notifies)                                                                                    \
    X(freemem)                                                                                     \
    X(setNoticeReceiver)

static const char *const library_names[] = {"libpq.so.5", "libpq.so", "libpq.5.dylib"};
static pthread_mutex_t load_lock = PTHREAD_MUTEX_INITIALIZER;
static struct pq functions;
const struct pq *pq;

static bool find_all(void *library, const char **missing)
{
/* A function pointer is written through the object pointer that dlsym gives: POSIX asks for it. */
#define FIND(name)                                                                                 \
    *missing = "PQ" #name;                                                                         \
    *(void **)(void *)&functions.name = dlsym(library, "PQ" #name);                                \
    if (!functions.name)                                                                           \
        return false;
    CALLS(FIND)
#undef FIND
    return true;
}

static const struct pq *load(struct reason *why)
{
    void *library = NULL;
    const char *missing = NULL;
    for (size_t i = 0; i < ARRAY_LEN(library_names) && !library; i++)
        library = dlopen(library_names[i], RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        fail(why, ERR_NOT_FOUND,
             "libpq is not installed, which a store on PostgreSQL needs: install libpq5 (Debian, "
             "Ubuntu), libpq (Fedora, Alpine, Homebrew)");
        return NULL;
    }
    if (!find_all(library, &missing)) {
        fail(why, ERR_INVALID, "the installed libpq has no %s: version 14 or newer is needed",
             missing);
        dlclose(library);
        return NULL;
    }
    return &functions;
}

const struct pq *pq_load(struct reason *why)
{
    pthread_mutex_lock(&load_lock);
    if (!pq)
        pq = load(why);
    pthread_mutex_unlock(&load_lock);
    return pq;
}
