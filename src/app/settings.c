/* settings.c -- admin.token and admin.url in the data directory (mode 0600, its user's alone), and
 * the lines of the first start. */
#include "app/settings.h"

#include "base/codec.h"
#include "base/fs.h"
#include "base/rand.h"
#include "verify/sign.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define TOKEN_BYTES 24
#define FIRST_BODY "{\"ref\":\"refs/heads/main\",\"repository\":{\"full_name\":\"acme/site\"}}"

size_t settings_delivery_loops(const char *config_path)
{
    struct arena a;
    struct reason why = {0};
    str text;
    uint64_t n = 1;
    arena_init(&a, 16u << 20);
    if (config_path && fs_read(&a, config_path, YAML_BYTES_MAX, &text, &why) == ERR_OK) {
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

/* What a file of the directory holds, made at first; *is_new without a directory. */
static bool kept_secret(const char *directory, const char *file, char out[SETTINGS_TOKEN_MAX],
                        struct reason *why)
{
    char path[4096];
    uint8_t bytes[TOKEN_BYTES];
    if (directory && state_path(directory, file, path) && read_token(path, out))
        return true;
    rand_bytes(bytes, sizeof(bytes));
    out[base64url_encode(bytes, sizeof(bytes), out)] = 0;
    return !directory || (state_path(directory, file, path) &&
                          fs_write_atomic(path, str_from_cstr(out), 0600, why) == ERR_OK);
}

bool settings_admin_token(const struct config *c, const char *directory,
                          char token[SETTINGS_TOKEN_MAX], struct reason *why)
{
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
    if (!directory)
        log_event(LOG_WARN,
                  "the store is in memory and admin.token is not set: the API's token "
                  "is new at each start and nobody knows it",
                  LOG_F("fix", STR("set admin.token")));
    return kept_secret(directory, "admin.token", token, why);
}

bool settings_jwt_secret(const struct config *c, const char *directory, struct secret *out,
                         struct reason *why)
{
    char made[SETTINGS_TOKEN_MAX];
    if (c->sending.jwt_secret.n) {
        secret_init(out, secret_str(&c->sending.jwt_secret));
        return true;
    }
    if (c->sending.jwt_algorithm > JWT_HS512) {
        fail(why, ERR_INVALID,
             "sending.jwt_secret is missing: with RS256 and EdDSA it is the public key in PEM, as "
             "\"${file:jwt.pem}\"");
        return false;
    }
    bool good = kept_secret(directory, "jwt.secret", made, why);
    if (good)
        secret_init(out, str_from_cstr(made));
    secret_wipe(made, sizeof(made));
    return good;
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

/* The fields a sender of this source would add to FIRST_BODY. False when they cannot be made, or
 * would show the secret itself (a token, a password). */
static bool sign_first_event(const struct source_config *s, struct arena *a,
                             struct http_field fields[SIGN_FIELDS_MAX], size_t *count)
{
    struct reason why = {0};
    struct problems problems = {0};
    struct signature_input in = {.method = STR("POST"),
                                 .url = s->path,
                                 .id = STR("first-event"),
                                 .event_type = STR("push"),
                                 .now_ms = clock_wall_ms(clock_real()),
                                 .body = STR(FIRST_BODY),
                                 .config_keys = s->verifier.config_keys,
                                 .config_values = s->verifier.config_values,
                                 .config_count = s->verifier.config_count};
    str secret = s->verifier.secret_count ? s->verifier.secrets[0] : STR("");
    struct verifier *v = verifier_new(&s->verifier, s->place, &problems);
    bool good = v && sign_request(s->provider, secret, &in, a, fields, count, &why) == ERR_OK;
    for (size_t i = 0; good && i < *count; i++)
        good = !verifier_hides(v, fields[i].name);
    verifier_free(v);
    problems_release(&problems);
    return good;
}

static void print_curl(const char *url, const struct source_config *s)
{
    struct http_field fields[SIGN_FIELDS_MAX];
    struct arena a;
    size_t count = 0;
    arena_init(&a, 1u << 20);
    if (sign_first_event(s, &a, fields, &count)) {
        fprintf(stderr, "  curl %s" STR_FMT " -H 'Content-Type: application/json'", url,
                STR_ARG(s->path));
        for (size_t i = 0; i < count; i++)
            fprintf(stderr, " \\\n    -H '" STR_FMT ": " STR_FMT "'", STR_ARG(fields[i].name),
                    STR_ARG(fields[i].value));
        fprintf(stderr, " \\\n    -d '" FIRST_BODY "'\n");
    } else {
        fprintf(stderr,
                "  %s send %s" STR_FMT " --provider " STR_FMT
                " --secret YOUR_SECRET --event push \\\n    --data '" FIRST_BODY "'\n",
                program_invocation_name, url, STR_ARG(s->path), STR_ARG(provider_id(s->provider)));
    }
    arena_release(&a);
}

void settings_print_first_steps(const struct config *c, const char *url)
{
    const char *program = program_invocation_name;
    if (!url || c->source_count == 0)
        return;
    fprintf(stderr, "\nSend a first event to source \"" STR_FMT "\":\n\n",
            STR_ARG(c->sources[0]->name));
    print_curl(url, c->sources[0]);
    const char *path = c->path ? c->path : "", *option = path[0] ? " --config " : "";
    fprintf(stderr, "\nand look at it:\n\n  %s events ls%s%s\n  %s tail%s%s\n\n", program, option,
            path, program, option, path);
}
