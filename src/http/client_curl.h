/* client_curl.h -- libcurl, loaded when the first URL is looked at. With the libraries that it
 * needs itself (GnuTLS, Kerberos, LDAP) it is half of what an idle daemon would hold in memory and
 * of the time it takes to start, and one that only receives and runs commands never needs it. */
#ifndef GAFF_HTTP_CLIENT_CURL_H
#define GAFF_HTTP_CLIENT_CURL_H

#include "base/err.h"
#include "base/log.h"

/* Or its calls would be macros that check the types of their arguments. */
#define CURL_DISABLE_TYPECHECK
/* curl_multi_socket_all counts as deprecated, since one can do without it (client_io.c). */
#define CURL_DISABLE_DEPRECATION
#include <curl/curl.h>
#undef curl_easy_getinfo
#undef curl_easy_setopt
#undef curl_multi_setopt

#define LIBCURL_CALLS(X)                                                                           \
    X(easy_cleanup)                                                                                \
    X(easy_getinfo)                                                                                \
    X(easy_init)                                                                                   \
    X(easy_perform)                                                                                \
    X(easy_reset)                                                                                  \
    X(easy_setopt)                                                                                 \
    X(easy_strerror)                                                                               \
    X(free)                                                                                        \
    X(global_init)                                                                                 \
    X(multi_add_handle)                                                                            \
    X(multi_cleanup)                                                                               \
    X(multi_info_read)                                                                             \
    X(multi_init)                                                                                  \
    X(multi_remove_handle)                                                                         \
    X(multi_setopt)                                                                                \
    X(multi_socket_action)                                                                         \
    X(multi_socket_all)                                                                            \
    X(multi_strerror)                                                                              \
    X(slist_append)                                                                                \
    X(slist_free_all)                                                                              \
    X(url)                                                                                         \
    X(url_cleanup)                                                                                 \
    X(url_get)                                                                                     \
    X(url_set)                                                                                     \
    X(url_strerror)                                                                                \
    X(version)

/* curl_easy_init is libcurl.easy_init, and so on; only after libcurl_load gave ERR_OK. */
struct libcurl {
#define X(name) __typeof__(&curl_##name) name;
    LIBCURL_CALLS(X)
#undef X
};
extern struct libcurl libcurl;

/* Loads and initialises it once; cheap after that, from any thread. ERR_IO when there is none: the
 * reason names what is missing. */
enum err libcurl_load(struct reason *why) MUST_USE;

/* An option that libcurl copies, text or a struct curl_blob. Unset for want of memory it would be
 * another request. */
static inline void libcurl_set(CURL *easy, CURLoption option, const void *copied)
{
    if (libcurl.easy_setopt(easy, option, copied) == CURLE_OUT_OF_MEMORY)
        die_of_memory(0);
}

#endif
