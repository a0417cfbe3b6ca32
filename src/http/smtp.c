/* smtp.c -- libcurl's SMTP: the transaction, TLS, AUTH and pipelining are its; policy and limits
 * ours. Called by action/action_email.c on the thread of a destination. */
#include "http/smtp.h"

#include "base/log.h"
#include "http/client_curl.h"

#include <netinet/in.h>
#include <sys/socket.h>

#define REPLY_MAX 400

struct smtp_client {
    const struct smtp_server *server;
    CURL *easy;
    const char *blocked; /* what the last refused address was; static */
    str rest;            /* of the mail being sent */
    char error[CURL_ERROR_SIZE];
    char reply[REPLY_MAX]; /* the last line that the server sent */
};

static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *sa)
{
    struct smtp_client *c = (struct smtp_client *)arg;
    struct address a;
    if (purpose != CURLSOCKTYPE_IPCXN || !address_from_sockaddr(&sa->addr, &a))
        return CURL_SOCKET_BAD;
    uint16_t port = ntohs(((const struct sockaddr_in *)(const void *)&sa->addr)->sin_port);
    const char *what =
        c->server->rules ? outbound_refuses(c->server->rules, c->server->policy, &a, port) : NULL;
    if (what) {
        c->blocked = what;
        return CURL_SOCKET_BAD;
    }
    return socket(sa->family, sa->socktype | SOCK_CLOEXEC, sa->protocol);
}

static size_t read_mail(char *out, size_t size, size_t count, void *arg)
{
    struct smtp_client *c = (struct smtp_client *)arg;
    size_t n = size * count < c->rest.n ? size * count : c->rest.n;
    memcpy(out, c->rest.p, n);
    c->rest = str_slice(c->rest, n, c->rest.n);
    return n;
}

/* Keeps the server's last line, for people. */
static size_t on_header(char *bytes, size_t size, size_t count, void *arg)
{
    struct smtp_client *c = (struct smtp_client *)arg;
    str line = str_trim(str_of(bytes, size * count));
    size_t n = line.n < REPLY_MAX - 1 ? line.n : REPLY_MAX - 1;
    memcpy(c->reply, line.p, n);
    c->reply[n] = '\0';
    return size * count;
}

enum err smtp_check(struct reason *why)
{
    return libcurl_load(why);
}

struct smtp_client *smtp_client_new(const struct smtp_server *s)
{
    struct smtp_client *c = (struct smtp_client *)xcalloc(1, sizeof(*c));
    char url[300];
    bool v6 = strchr(s->host, ':') != NULL;
    c->server = s;
    struct reason why;
    if (libcurl_load(&why) != ERR_OK)
        die("%s", why.text); /* smtp_check found it at load */
    c->easy = libcurl.easy_init();
    if (!c->easy)
        die_of_memory(0);
    (void)snprintf(url, sizeof(url), "%s://%s%s%s:%u/localhost",
                   s->tls == SMTP_TLS ? "smtps" : "smtp", v6 ? "[" : "", s->host, v6 ? "]" : "",
                   (unsigned)s->port);
    libcurl_set(c->easy, CURLOPT_URL, url);
    libcurl_set(c->easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    (void)libcurl.easy_setopt(c->easy, CURLOPT_USE_SSL,
                              (long)(s->tls == SMTP_PLAIN ? CURLUSESSL_NONE : CURLUSESSL_ALL));
    (void)libcurl.easy_setopt(c->easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    libcurl_set(c->easy, CURLOPT_PROXY, "");
    (void)libcurl.easy_setopt(c->easy, CURLOPT_NOSIGNAL, 1L);
    (void)libcurl.easy_setopt(c->easy, CURLOPT_UPLOAD, 1L);
    (void)libcurl.easy_setopt(c->easy, CURLOPT_READFUNCTION, read_mail);
    (void)libcurl.easy_setopt(c->easy, CURLOPT_READDATA, c);
    (void)libcurl.easy_setopt(c->easy, CURLOPT_HEADERFUNCTION, on_header);
    (void)libcurl.easy_setopt(c->easy, CURLOPT_HEADERDATA, c);
    (void)libcurl.easy_setopt(c->easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    (void)libcurl.easy_setopt(c->easy, CURLOPT_OPENSOCKETDATA, c);
    (void)libcurl.easy_setopt(c->easy, CURLOPT_ERRORBUFFER, c->error);
    if (s->ca_file)
        libcurl_set(c->easy, CURLOPT_CAINFO, s->ca_file);
    if (s->user)
        libcurl_set(c->easy, CURLOPT_USERNAME, s->user);
    if (s->password)
        libcurl_set(c->easy, CURLOPT_PASSWORD, s->password);
    return c;
}

void smtp_client_free(struct smtp_client *c)
{
    if (!c)
        return;
    libcurl.easy_cleanup(c->easy);
    free(c);
}

static enum smtp_result judge(struct smtp_client *c, CURLcode rc, int code, struct reason *why)
{
    if (rc == CURLE_OK)
        return SMTP_ACCEPTED;
    if (c->blocked) {
        (void)fail(why, ERR_DENIED, OUTBOUND_BLOCKED_TEXT ": %s is %s", c->server->host,
                   c->blocked);
        return SMTP_REFUSED;
    }
    bool refused = code / 100 == 5 || rc == CURLE_LOGIN_DENIED;
    (void)fail(why, refused ? ERR_DENIED : ERR_IO, "smtp %s: %s%s%s", c->server->host,
               c->error[0] ? c->error : libcurl.easy_strerror(rc),
               code ? "; the server said: " : "", code ? c->reply : "");
    return refused ? SMTP_REFUSED : SMTP_TEMPORARY;
}

enum smtp_result smtp_send(struct smtp_client *c, const struct smtp_mail *m, int64_t timeout_ms,
                           int *code, struct reason *why)
{
    struct curl_slist *to = NULL;
    long reply = 0;
    for (size_t i = 0; m->to[i]; i++) {
        to = libcurl.slist_append(to, m->to[i]);
        if (!to) /* or those who remain would pass for all */
            die_of_memory(0);
    }
    c->rest = m->text;
    c->blocked = NULL;
    c->error[0] = c->reply[0] = '\0';
    libcurl_set(c->easy, CURLOPT_MAIL_FROM, m->from);
    (void)libcurl.easy_setopt(c->easy, CURLOPT_MAIL_RCPT, to);
    (void)libcurl.easy_setopt(c->easy, CURLOPT_TIMEOUT_MS, (long)(timeout_ms > 0 ? timeout_ms : 1));
    CURLcode rc = libcurl.easy_perform(c->easy);
    (void)libcurl.easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &reply);
    (void)libcurl.easy_setopt(c->easy, CURLOPT_MAIL_RCPT, NULL);
    libcurl.slist_free_all(to);
    *code = (int)reply;
    return judge(c, rc, *code, why);
}
