/* cli_jwt.c -- gaff jwt: a token for the sending API, made here from the signing secret; the
 * daemon need not run. */
#include "app/cli.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/fs.h"
#include "base/rand.h"
#include "base/secret.h"
#include "engine/directory.h"
#include "verify/jwt.h"

#define KEY_MAX 65536
#define CLAIMS_MAX 4096
#define DEFAULT_LIFE "90d"

static bool read_kind(struct cli *c, const char *word, enum jwt_kind *kind)
{
    for (int i = 0; word && i < JWT_KINDS; i++) {
        if (strcmp(jwt_words[i], word) == 0) {
            *kind = (enum jwt_kind)i;
            return true;
        }
    }
    UNUSED(c);
    return cli_error(CLI_USAGE, "--algorithm takes HS256, HS384, HS512, RS256 or EdDSA") == CLI_OK;
}

/* The secret that the configuration names. *found is false when it leaves that to the daemon. */
static bool configured_secret(struct cli *c, enum jwt_kind *kind, str *secret, bool *found)
{
    const char *path = cli_config_path(c);
    struct problems p = {0};
    *found = false;
    if (!path)
        return true;
    struct config *config = config_load(path, NULL, &p);
    problems_release(&p);
    if (!config)
        return cli_error(CLI_FAILED,
                         "%s can't be loaded here (see `gaff check`), so its signing secret is not "
                         "known; name it with --key",
                         path) == CLI_OK;
    *kind = (enum jwt_kind)config->sending.jwt_algorithm;
    *found = config->sending.jwt_secret.n > 0;
    if (*found)
        *secret = arena_str(&c->arena, secret_str(&config->sending.jwt_secret));
    bool signs = !*found || *kind <= JWT_KIND_HS512;
    bool kept = *found || str_starts(config->store, STR("sqlite:"));
    config_unref(config);
    if (!kept)
        return cli_error(CLI_FAILED,
                         "this store keeps no signing secret beside it: set sending.jwt_secret, or "
                         "name its file with --key") == CLI_OK;
    return signs || cli_error(CLI_USAGE,
                              "tokens are verified with a public key here: name the private one "
                              "with --key FILE --algorithm %s",
                              jwt_words[*kind]) == CLI_OK;
}

static bool find_secret(struct cli *c, enum jwt_kind *kind, str *secret)
{
    const char *file = cli_option(c, "key"), *word = cli_option(c, "algorithm");
    struct reason why = {0};
    bool found = false;
    *kind = JWT_KIND_HS256;
    if (word && !read_kind(c, word, kind))
        return false;
    if (!file) {
        if (!configured_secret(c, kind, secret, &found))
            return false;
        if (found)
            return true;
        file = arena_cstr(&c->arena, arena_printf(&c->arena, "%s/jwt.secret", cli_data(c)));
    }
    if (fs_read(&c->arena, file, KEY_MAX, secret, &why) != ERR_OK)
        return cli_error(CLI_FAILED,
                         "no signing secret: %s. It is made at the daemon's first start; name its "
                         "data directory with --data, or the secret's file with --key",
                         why.text) == CLI_OK;
    *secret = str_trim(*secret);
    return true;
}

/* An application by its id, or by its uid, which the daemon knows. */
static int find_application(struct cli *c, str *id)
{
    struct buf path;
    struct json_doc *doc;
    *id = str_from_cstr(c->args[0]);
    if (str_starts(*id, STR("app_")))
        return CLI_OK;
    buf_init(&path, 4096);
    buf_str_append(&path, STR("/api/v1/app/"));
    percent_encode(&path, *id);
    int code = cli_call(c, "GET", buf_cstr(&path), NULL, &doc);
    if (code == CLI_OK)
        *id = arena_str(&c->arena, json_str(json_get(json_root(doc), STR("id"))));
    json_doc_free(doc);
    buf_release(&path);
    return code;
}

static void write_claims(struct buf *out, str org, str app, int64_t seconds)
{
    struct json_writer w;
    uint8_t random[12];
    char jti[16];
    int64_t now_s = clock_wall_ms(clock_real()) / 1000;
    rand_bytes(random, sizeof(random));
    size_t n = base64url_encode(random, sizeof(random), jti);
    json_writer_init(&w, out);
    json_open(&w, '{');
    json_pair_int(&w, "iat", now_s);
    json_pair_int(&w, "nbf", now_s);
    json_pair_int(&w, "exp", now_s + seconds);
    json_pair(&w, "iss", STR("gaff"));
    json_pair(&w, "sub", app.n ? app : org);
    if (app.n)
        json_pair(&w, "org", org);
    json_pair(&w, "jti", str_of(jti, n));
    json_close(&w, '}');
}

static int print_token(struct cli *c, enum jwt_kind kind, str secret, str claims, int64_t exp_s)
{
    struct reason why = {0};
    struct buf token;
    char text[CLOCK_TEXT_MAX];
    struct jwt_key *key = jwt_key_new(kind, secret, &why);
    buf_init(&token, JWT_BYTES_MAX);
    int code = CLI_OK;
    if (!key || jwt_sign(key, claims, &token, &why) != ERR_OK) {
        code = cli_error(CLI_FAILED, "%s", why.text);
    } else if (c->output == CLI_JSON || c->output == CLI_JSONL) {
        printf("{\"token\":\"%s\",\"expires\":\"" STR_FMT "\"}\n", buf_cstr(&token),
               STR_ARG(clock_format(exp_s * 1000, text)));
    } else {
        puts(buf_cstr(&token));
    }
    jwt_key_free(key);
    buf_release(&token);
    return code;
}

int cli_jwt(struct cli *c)
{
    const char *org = cli_option(c, "org"), *life = cli_option(c, "expires");
    enum jwt_kind kind;
    struct buf claims;
    int64_t ms;
    str secret = STR(""), app = STR("");
    if (!clock_duration_parse(str_from_cstr(life ? life : DEFAULT_LIFE), &ms) || ms < 1000)
        return cli_error(CLI_USAGE, "--expires takes a duration: 1h, 90d");
    if (org && !str_starts(str_from_cstr(org), STR("org_")))
        return cli_error(CLI_USAGE, "--org takes an organisation's id, org_...");
    if (!find_secret(c, &kind, &secret))
        return CLI_FAILED;
    int code = c->arg_count ? find_application(c, &app) : CLI_OK;
    if (code == CLI_OK) {
        buf_init(&claims, CLAIMS_MAX);
        write_claims(&claims, str_from_cstr(org ? org : DEFAULT_ORG), app, ms / 1000);
        code = print_token(c, kind, secret, buf_str(&claims),
                           clock_wall_ms(clock_real()) / 1000 + ms / 1000);
        buf_release(&claims);
    }
    if (secret.n)
        secret_wipe((char *)(uintptr_t)secret.p, secret.n);
    return code;
}
