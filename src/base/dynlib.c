/* dynlib.c -- dlopen by the soname that the headers belong to, so that types agree. */
#include "base/dynlib.h"

#include <dlfcn.h>
#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static enum err load(struct dynlib *lib, struct reason *why)
{
    if (!lib->soname)
        return fail(why, ERR_NOT_FOUND,
                    "this gaff was built without %s: install its headers and build again",
                    lib->package);
    void *handle = dlopen(lib->soname, RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        return fail(why, ERR_NOT_FOUND, "%s is not installed: install %s", lib->soname,
                    lib->package);
    for (size_t i = 0; i < lib->count; i++) {
        void *found = dlsym(handle, lib->calls[i].name);
        if (!found) {
            (void)dlclose(handle);
            return fail(why, ERR_INVALID,
                        "%s has no %s: it is another version than gaff was "
                        "built with",
                        lib->soname, lib->calls[i].name);
        }
        /* POSIX has function pointers written through the object pointer that dlsym gives. */
        memcpy(lib->calls[i].slot, &found, sizeof(found));
    }
    lib->loaded = true;
    return ERR_OK;
}

enum err dynlib_load(struct dynlib *lib, struct reason *why)
{
    (void)pthread_mutex_lock(&lock);
    enum err e = lib->loaded ? ERR_OK : load(lib, why);
    (void)pthread_mutex_unlock(&lock);
    return e;
}
