/* config_listen.c -- `listen:` and `admin.listen:`: one address, or a list of addresses and of
 * mappings with TLS and PROXY protocol. Certificates must be readable when the file is loaded. */
#include "engine/config_read.h"
#include "http/address.h"

#include <errno.h>
#include <unistd.h>

#define ADDRESS_FORMS "HOST:PORT as 127.0.0.1:8080 or [::1]:8080, unix:PATH or fd:NUMBER"

/* Splits "HOST:PORT"; the host is without brackets. False when it is not of that form. */
static bool split_address(str s, str *host, uint64_t *port)
{
    size_t colon = s.n;
    while (colon && s.p[colon - 1] != ':')
        colon--;
    if (colon < 2)
        return false;
    *host = str_slice(s, 0, colon - 1);
    bool bracketed = str_starts(*host, STR("[")) && str_ends(*host, STR("]"));
    if (bracketed)
        *host = str_slice(*host, 1, host->n - 1);
    else if (str_find(*host, ':') < host->n)
        return false;
    return host->n && str_to_u64(str_slice(s, colon, s.n), port) && *port <= 65535;
}

static bool read_address(struct config_reader *r, const struct yaml *node, char **out)
{
    str s = STR_NONE, host;
    uint64_t number;
    char value[VALUE_TEXT_MAX];
    if (!read_str(r->problems, node, &s))
        return false;
    bool ok = false;
    if (str_starts(s, STR("unix:")) && s.n > 5) {
        char *path = config_path(r->arena, r->config->directory, str_slice(s, 5, s.n));
        *out = arena_cstr(r->arena, arena_printf(r->arena, "unix:%s", path));
        return true;
    }
    if (str_starts(s, STR("fd:")))
        ok = str_to_u64(str_slice(s, 3, s.n), &number) && number <= 65535;
    else
        ok = split_address(s, &host, &number);
    if (!ok) {
        problem_at(r->problems, node, "expected an address, " ADDRESS_FORMS ", found %s",
                   value_text(node, value));
        return false;
    }
    *out = arena_cstr(r->arena, s);
    return true;
}

static char *read_file_name(struct config_reader *r, const struct yaml *tls, const char *key)
{
    const struct yaml *node = yaml_get(tls, str_from_cstr(key));
    str name;
    if (!node) {
        problem_at(r->problems, tls, "tls needs both cert and key; \"%s\" is missing", key);
        return NULL;
    }
    if (!read_str(r->problems, node, &name))
        return NULL;
    char *path = config_path(r->arena, r->config->directory, name);
    if (access(path, R_OK) != 0) {
        char text[64];
        const char *error = strerror_r(errno, text, sizeof(text));
        problem_at(r->problems, node, "cannot read the TLS %s %s: %s",
                   key[0] == 'c' ? "certificate" : "key", path, error);
    }
    return path;
}

static char *read_client_ca(struct config_reader *r, const struct yaml *node)
{
    str name;
    if (!node || !read_str(r->problems, node, &name))
        return NULL;
    char *path = config_path(r->arena, r->config->directory, name);
    if (access(path, R_OK) != 0) {
        char text[64];
        const char *error = strerror_r(errno, text, sizeof(text));
        problem_at(r->problems, node, "cannot read the authorities for client certificates %s: %s",
                   path, error);
    }
    return path;
}

static bool read_listener(struct config_reader *r, const struct yaml *node,
                          struct listen_config *out)
{
    static const char *const keys[] = {"address", "tls", "proxy_protocol", NULL};
    static const char *const tls_keys[] = {"cert", "key", "client_ca", NULL};
    if (node->kind != YAML_MAP)
        return read_address(r, node, &out->address);
    read_keys(r->problems, node, keys);
    read_bool(r->problems, yaml_get(node, STR("proxy_protocol")), &out->proxy_protocol);
    const struct yaml *tls = yaml_get(node, STR("tls"));
    if (tls && (read_keys(r->problems, tls, tls_keys) || tls->kind == YAML_MAP)) {
        out->tls_cert = read_file_name(r, tls, "cert");
        out->tls_key = read_file_name(r, tls, "key");
        out->client_ca = read_client_ca(r, yaml_get(tls, STR("client_ca")));
    }
    const struct yaml *address = yaml_get(node, STR("address"));
    if (!address) {
        problem_at(r->problems, node, "a listener needs an address: " ADDRESS_FORMS);
        return false;
    }
    return read_address(r, address, &out->address);
}

void config_listen_read(struct config_reader *r, const struct yaml *node,
                        struct listen_config **out, size_t *count)
{
    if (!node)
        return;
    bool list = node->kind == YAML_LIST;
    if (list && !node->count) {
        problem_at(r->problems, node, "expected at least one address, " ADDRESS_FORMS);
        return;
    }
    struct listen_config *v = CONFIG_ARRAY(r, struct listen_config, list ? node->count : 1);
    size_t n = 0;
    for (const struct yaml *one = list ? node->first : node; one; one = list ? one->next : NULL)
        if (read_listener(r, one, &v[n]))
            n++;
    if (n) {
        *out = v;
        *count = n;
    }
}

static bool is_loopback(const char *address)
{
    str host;
    uint64_t port;
    struct address a;
    struct net v4, v6;
    str s = str_from_cstr(address);
    if (str_starts(s, STR("unix:")))
        return true;
    if (str_starts(s, STR("fd:")) || !split_address(s, &host, &port))
        return false;
    if (str_eq(host, STR("localhost")))
        return true;
    if (!address_parse(host, &a) || !net_parse(STR("127.0.0.0/8"), &v4) ||
        !net_parse(STR("::1"), &v6))
        return false;
    return net_contains(&v4, &a) || net_contains(&v6, &a);
}

void config_listen_check_admin(struct config_reader *r, const struct yaml *node)
{
    const struct config *c = r->config;
    for (size_t i = 0; i < c->admin_listen_count; i++)
        if (c->admin_listen[i].client_ca)
            problem_at(r->problems, node,
                       "client_ca is for listeners of events; the admin address asks for a token");
    for (size_t i = 0; i < c->admin_listen_count && !c->admin_token.n; i++)
        if (!is_loopback(c->admin_listen[i].address)) {
            problem_at(r->problems, node,
                       "the admin address %s can be reached from other machines and has no token; "
                       "write admin: { token: \"${env:GAFF_TOKEN}\" } or listen on 127.0.0.1",
                       c->admin_listen[i].address);
            return;
        }
}
