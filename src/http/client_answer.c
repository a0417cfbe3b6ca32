/* What comes back: libcurl's header and body callbacks fill a transfer's bounded buffers, and a
 * finished transfer becomes a struct http_answer. Interim answers (1xx) are dropped, trailers are
 * not kept, and a body beyond its bound ends the transfer as a success. */
#include "http/client_impl.h"

#include <stdio.h>

/* Header bytes after which an answer is given up, wherever they are kept. */
#define HEAD_SEEN_MAX 262144

static const char *const class_words[] = {
#define X(name, word, text) word,
    HTTP_CALL_CLASSES(X)
#undef X
};

static const char *const class_texts[] = {
#define X(name, word, text) text,
    HTTP_CALL_CLASSES(X)
#undef X
};

const char *http_call_class_word(enum http_call_class c)
{
    assert((size_t)c < ARRAY_LEN(class_words));
    return class_words[c];
}

const char *http_call_class_text(enum http_call_class c)
{
    assert((size_t)c < ARRAY_LEN(class_texts));
    return class_texts[c];
}

/* "HTTP/1.1 200 OK" -> 200; 0 when it is no status line. */
static int parse_status(str line)
{
    if (!str_starts(line, STR("HTTP/")))
        return 0;
    size_t at = str_find(line, ' ');
    uint64_t status;
    if (!str_to_u64(str_slice(line, at + 1, at + 4), &status) || status < 100 || status > 999)
        return 0;
    return (int)status;
}

size_t transfer_on_header(char *bytes, size_t size, size_t count, void *arg)
{
    struct transfer *t = (struct transfer *)arg;
    str line = {bytes, size * count};
    t->head_seen += line.n;
    if (t->head_seen > HEAD_SEEN_MAX)
        return CURL_WRITEFUNC_ERROR;
    if (t->status < 200 && str_starts(line, STR("HTTP/"))) {
        t->status = parse_status(line);
        t->head_done = t->head_too_long = false;
        buf_clear(&t->head);
    }
    if (t->head_done)
        return line.n; /* a trailer */
    if (str_trim(line).n == 0)
        t->head_done = true;
    else if (t->head_too_long || t->head.len + line.n > HTTP_ANSWER_HEAD_MAX)
        t->head_too_long = true; /* whole lines are kept, and none after the first left out */
    else
        buf_str_append(&t->head, line);
    return line.n;
}

size_t transfer_on_body(char *bytes, size_t size, size_t count, void *arg)
{
    struct transfer *t = (struct transfer *)arg;
    size_t n = size * count;
    const struct fetch_extra *extra = t->pool->client->extra;
    if (extra && extra->on_bytes && t->status / 100 == 2) {
        extra->on_bytes(str_of(bytes, n), extra->arg);
        return n;
    }
    size_t room = t->body.max - t->body.len;
    buf_append(&t->body, bytes, n < room ? n : room);
    if (!buf_ok(&t->body))
        return CURL_WRITEFUNC_ERROR; /* no memory for so large a one */
    if (n <= room)
        return n;
    t->body_truncated = true;
    return CURL_WRITEFUNC_ERROR;
}

void transfer_clear_answer(struct transfer *t)
{
    buf_clear(&t->head);
    buf_clear(&t->body);
    t->head_seen = 0;
    t->status = 0;
    t->head_done = t->head_too_long = t->body_truncated = false;
    t->dialled = t->is_connected = false;
    t->blocked = NULL;
    t->error[0] = '\0';
}

static void add_field(struct transfer *t, struct http_fields *out, str line)
{
    size_t colon = str_find(line, ':');
    if (colon == line.n || colon == 0 || line.p[0] == ' ' || line.p[0] == '\t')
        return;
    if (out->count == t->field_cap) {
        t->field_cap = t->field_cap ? t->field_cap * 2 : 16;
        t->fields = (struct http_field *)xrealloc(t->fields, t->field_cap * sizeof(*t->fields));
    }
    t->fields[out->count++] = (struct http_field){str_slice(line, 0, colon),
                                                  str_trim(str_slice(line, colon + 1, line.n))};
}

static void fill_fields(struct transfer *t, struct http_fields *out)
{
    str rest = buf_str(&t->head);
    (void)str_cut(&rest, '\n');
    while (rest.p && rest.n > 0)
        add_field(t, out, str_cut(&rest, '\n'));
    out->v = t->fields;
}

static void fill_timing(const struct transfer *t, struct http_timing *out)
{
    static const CURLINFO infos[6] = {CURLINFO_NAMELOOKUP_TIME_T,    CURLINFO_CONNECT_TIME_T,
                                      CURLINFO_APPCONNECT_TIME_T,    CURLINFO_PRETRANSFER_TIME_T,
                                      CURLINFO_STARTTRANSFER_TIME_T, CURLINFO_TOTAL_TIME_T};
    curl_off_t at[6] = {0};
    for (size_t i = 0; i < ARRAY_LEN(infos); i++)
        (void)libcurl.easy_getinfo(t->easy, infos[i], &at[i]);
    /* libcurl says 0 for what was not reached; the pretransfer time tells whether the connection
     * was ready, and then 0 means that nothing had to be done. */
    bool is_connected = at[3] > 0;
    out->dns = at[0] > 0 || is_connected ? at[0] : -1;
    out->connect = at[1] > 0 || is_connected ? at[1] : -1;
    out->tls = at[2] > 0 || is_connected ? at[2] : -1;
    out->send = is_connected ? at[3] : -1;
    out->first_byte = t->status > 0 ? at[4] : -1;
    out->total = at[5];
}

static enum http_call_class classify_receive(const struct transfer *t)
{
    long connect_code = 0;
    (void)libcurl.easy_getinfo(t->easy, CURLINFO_HTTP_CONNECTCODE, &connect_code);
    if (t->pool->client->proxy && connect_code >= 300)
        return HTTP_CALL_PROXY;
    /* One code for a broken connection and for broken chunks; only the text tells. */
    return strstr(t->error, "chunked-encoding") || strstr(t->error, "chunk hex")
               ? HTTP_CALL_PROTOCOL
               : HTTP_CALL_RESET;
}

static enum http_call_class classify(const struct transfer *t, CURLcode rc)
{
    switch (rc) {
    case CURLE_OK:
        return HTTP_CALL_OK;
    case CURLE_WRITE_ERROR:
        return t->body_truncated ? HTTP_CALL_OK : HTTP_CALL_PROTOCOL;
    case CURLE_COULDNT_RESOLVE_HOST:
        return HTTP_CALL_DNS;
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_PROXY:
        return HTTP_CALL_PROXY;
    case CURLE_COULDNT_CONNECT:
        if (t->pool->client->proxy)
            return HTTP_CALL_PROXY;
        return t->blocked && !t->dialled ? HTTP_CALL_BLOCKED : HTTP_CALL_CONNECT;
    case CURLE_INTERFACE_FAILED:
        return HTTP_CALL_CONNECT;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CRL_BADFILE:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_ENGINE_INITFAILED:
        return HTTP_CALL_TLS;
    case CURLE_OPERATION_TIMEDOUT:
        return HTTP_CALL_TIMEOUT;
    case CURLE_SEND_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
        return HTTP_CALL_RESET;
    case CURLE_RECV_ERROR:
        return classify_receive(t);
    case CURLE_ABORTED_BY_CALLBACK:
        return HTTP_CALL_BLOCKED;
    case CURLE_OUT_OF_MEMORY: /* older ones say so of an answer's line beyond their bounds, too */
        return HTTP_CALL_MEMORY;
    case CURLE_URL_MALFORMAT: /* it is given URLs that were read: it had no memory for this one */
        return strcmp(t->error, "No URL set") == 0 ? HTTP_CALL_MEMORY : HTTP_CALL_INVALID;
    default:
        return HTTP_CALL_PROTOCOL;
    }
}

/* Says no more about the inside of a network than the policy's owner may know. */
static void fill_error(const struct transfer *t, struct http_answer *out)
{
    bool is_public = t->pool->policy == OUTBOUND_PUBLIC;
    const char *text = http_call_class_text(out->class);
    const char *detail = t->error;
    if (out->class == HTTP_CALL_BLOCKED)
        detail = is_public ? "" : t->blocked ? t->blocked : "";
    else if (is_public && out->class == HTTP_CALL_CONNECT)
        detail = "";
    (void)snprintf(out->error, sizeof(out->error), "%.80s%s%.160s", text, detail[0] ? ": " : "",
                   detail);
    if (is_public)
        out->address[0] = '\0';
}

void client_count_blocked(struct http_client *c, const char *what)
{
    enum outbound_block b = what ? outbound_block_of(what) : OUTBOUND_BLOCK_PORT;
    if (c->counts)
        atomic_fetch_add_explicit(&c->counts->blocked[b], 1, memory_order_relaxed);
}

static void count_answer(const struct transfer *t, const struct http_answer *out, long connects)
{
    struct http_client *c = t->pool->client;
    if (!c->counts)
        return;
    if (connects > 0)
        atomic_fetch_add_explicit(&c->counts->opened, (uint64_t)connects, memory_order_relaxed);
    else if (out->reused)
        atomic_fetch_add_explicit(&c->counts->reused, 1, memory_order_relaxed);
    if (out->class == HTTP_CALL_BLOCKED)
        client_count_blocked(c, t->blocked ? t->blocked : "");
}

void transfer_fill_answer(struct transfer *t, CURLcode rc, struct http_answer *out)
{
    *out = (struct http_answer){.class = classify(t, rc)};
    /* A refused connection's answer, should there be bytes of one, is nobody's to see. */
    if (out->class != HTTP_CALL_BLOCKED && t->status >= 200) {
        out->status = t->status;
        out->head = buf_str(&t->head);
        fill_fields(t, &out->fields);
        out->body = buf_str(&t->body);
        out->body_truncated = t->body_truncated;
    } else {
        out->head = out->body = STR("");
    }
    if (out->class == HTTP_CALL_OK && out->status == 0)
        out->class = HTTP_CALL_PROTOCOL;
    long connects = 0;
    (void)libcurl.easy_getinfo(t->easy, CURLINFO_NUM_CONNECTS, &connects);
    out->reused = out->status > 0 && connects == 0;
    count_answer(t, out, connects);
    char *peer = NULL;
    if (libcurl.easy_getinfo(t->easy, CURLINFO_PRIMARY_IP, &peer) == CURLE_OK && peer)
        (void)snprintf(out->address, sizeof(out->address), "%s", peer);
    fill_timing(t, &out->timing);
    if (out->class != HTTP_CALL_OK)
        fill_error(t, out);
}
