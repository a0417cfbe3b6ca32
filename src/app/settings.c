/* settings.c -- admin.token and admin.url in the data directory (mode 0600, its user's alone), and
 * the lines of the first start. */
#include "app/settings.h"

#include "base/codec.h"
#include "base/fs.h"
#include "base/rand.h"

#include <stdio.h>
#include <unistd.h>

#define TOKEN_BYTES 24

size_t settings_delivery_loops(const char *config_path)
{
    struct arena a;
    struct reason why = {0};
    str text;
    uint64_t n = 1;
    arena_init(&a, 16u << 20);
    if (fs_read(&a, config_path, YAML_BYTES_MAX, &text, &why) == ERR_OK) {
        struct yaml *tree = yaml_parse(&a, str_from_cstr(config_path), text, &why);
        const struct yaml *node = yaml_get(tree, STR("delivery_loops"));
        if (node && (!str_to_u64(node->scalar, &n) || n == 0))
            n = 1;
    }
    arena_release(&a);
    return (size_t)n;
}

char *settings_state_directory(const struct config *c)
{
    if (c->durability == DURABILITY_NONE || !str_starts(c->store, STR("sqlite:")))
        return NULL;
    str path = str_slice(c->store, 7, c->store.n);
    char *out = xmalloc(path.n + 1);
    memcpy(out, path.p, path.n);
    out[path.n] = 0;
    return out;
}

static bool state_path(const char *directory, const char *file, char out[4096])
{
    int n = snprintf(out, 4096, "%s/%s", directory, file);
    return n > 0 && n < 4096;
}

static bool read_token(const char *path, char token[SETTINGS_TOKEN_MAX])
{
    struct arena a;
    struct reason why = {0};
    str text;
    arena_init(&a, 65536);
    bool ok = fs_read(&a, path, SETTINGS_TOKEN_MAX - 1, &text, &why) == ERR_OK;
    if (ok) {
        text = str_trim(text);
        memcpy(token, text.p, text.n);
        token[text.n] = 0;
    }
    arena_release(&a);
    return ok && token[0];
}

bool settings_admin_token(const struct config *c, const char *directory,
                          char token[SETTINGS_TOKEN_MAX], struct reason *why)
{
    char path[4096];
    uint8_t bytes[TOKEN_BYTES];
    token[0] = 0;
    if (c->admin_token.n >= SETTINGS_TOKEN_MAX) {
        fail(why, ERR_INVALID, "admin.token is longer than %d bytes", SETTINGS_TOKEN_MAX - 1);
        return false;
    }
    if (c->admin_token.n) {
        memcpy(token, c->admin_token.bytes, c->admin_token.n);
        token[c->admin_token.n] = 0;
        return true;
    }
    if (directory && state_path(directory, "admin.token", path) && read_token(path, token))
        return true;
    rand_bytes(bytes, sizeof(bytes));
    token[base64url_encode(bytes, sizeof(bytes), token)] = 0;
    if (!directory) {
        log_event(LOG_WARN,
                  "the store is in memory and admin.token is not set: the API's token "
                  "is new at each start and nobody knows it",
                  LOG_F("fix", STR("set admin.token")));
        return true;
    }
    return state_path(directory, "admin.token", path) &&
           fs_write_atomic(path, str_from_cstr(token), 0600, why) == ERR_OK;
}

bool settings_publish_url(const char *directory, const char *url, struct reason *why)
{
    char path[4096];
    if (!directory || !url)
        return true;
    return state_path(directory, "admin.url", path) &&
           fs_write_atomic(path, str_from_cstr(url), 0600, why) == ERR_OK;
}

void settings_withdraw_url(const char *directory)
{
    char path[4096];
    if (directory && state_path(directory, "admin.url", path))
        unlink(path);
}

void settings_print_first_steps(const struct config *c, const char *url)
{
    if (!isatty(STDERR_FILENO) || !url || c->source_count == 0)
        return;
    const struct source_config *s = c->sources[0];
    fprintf(stderr, "\nSend a first event:\n\n");
    if (provider_needs_secret(s->provider))
        fprintf(stderr,
                "  gaff send %s" STR_FMT " --provider " STR_FMT
                " --secret YOUR_SECRET --event push --data '{\"ref\":\"refs/heads/main\"}'\n",
                url, STR_ARG(s->path), STR_ARG(provider_id(s->provider)));
    else
        fprintf(stderr,
                "  curl -d '{\"hello\":\"world\"}' -H 'Content-Type: application/json' %s" STR_FMT
                "\n",
                url, STR_ARG(s->path));
    fprintf(stderr, "\nand look at it:  gaff events ls    gaff tail\n\n");
}
