/* sealing.c -- refuses to start over secrets it can't open: to go on would mean deliveries that
 * nobody can verify, and new secrets under a second key. */
#include "engine/sealing.h"

#include "base/codec.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/rand.h"
#include "engine/objects.h"

#define KEY_FILE_MAX 4096
#define PAGE 200
#define PAGE_ARENA_MAX (512u << 20)
#define CHECK_KIND STR(SEALED_CHECK_KIND)
#define CHECK_ID STR("check")

struct sealing {
    struct engine_core *core;
    struct store_reader *reader;
    const struct seal *seal;
    bool only_looks; /* nothing is sealed anew */
    struct reason *why;
    uint64_t renewed;
};

/* The file beside the store, made when it is missing. */
static struct seal *read_file(str directory, struct reason *why)
{
    struct arena a;
    uint8_t bytes[32];
    char fresh[BASE64_LEN(sizeof(bytes)) + 2];
    str text = STR("");
    arena_init(&a, 1u << 16);
    const char *path =
        arena_cstr(&a, arena_printf(&a, STR_FMT "/" SEALING_FILE, STR_ARG(directory)));
    enum err err = fs_read(&a, path, KEY_FILE_MAX, &text, why);
    if (err == ERR_NOT_FOUND) {
        rand_bytes(bytes, sizeof(bytes));
        size_t n = base64_encode(bytes, sizeof(bytes), fresh);
        fresh[n++] = '\n';
        text = arena_str(&a, str_of(fresh, n));
        err = fs_write_atomic(path, text, 0600, why);
        secret_wipe(bytes, sizeof(bytes));
        secret_wipe(fresh, sizeof(fresh));
    }
    struct seal *s = err == ERR_OK ? seal_new(text, why) : NULL;
    if (text.n)
        secret_wipe((char *)(uintptr_t)text.p, text.n);
    arena_release(&a);
    return s;
}

/* NULL with code ERR_OK when nothing is sealed here. */
static struct seal *find_key(const struct config *c, struct reason *why)
{
    why->code = ERR_OK;
    if (c->secret_key.n)
        return seal_new(secret_str(&c->secret_key), why);
    if (c->durability != DURABILITY_NONE && str_starts(c->store, STR("sqlite:")))
        return read_file(str_slice(c->store, 7, c->store.n), why);
    return NULL;
}

static enum err tell_wrong_key(struct sealing *s, const char *cause)
{
    return fail(s->why, ERR_INVALID,
                "the key of secrets is not this store's: %s. Set secret_key (GAFF_SECRET_KEY), "
                "or " SEALING_FILE
                " beside the store, to the former key, or add it behind the new one",
                cause);
}

/* One object as it is kept: what is sealed must open, what can be sealed is, with the first key. */
static enum err look_at(struct sealing *s, const struct object *raw)
{
    struct arena a;
    struct object o = *raw;
    struct reason cause = {0};
    const struct seal *seal = s->seal;
    if (!seal && seal_is_sealed(raw->doc))
        return fail(s->why, ERR_INVALID,
                    "secrets in this store are sealed: set secret_key (GAFF_SECRET_KEY) to their "
                    "key; it may be the one in " SEALING_FILE " of the store they came from");
    if (!seal)
        return ERR_OK;
    arena_init(&a, 4 * OBJECT_DOC_MAX);
    enum err err = sealed_open(seal, &o, 1, &a, &cause);
    if (err == ERR_DENIED)
        err = tell_wrong_key(s, cause.text);
    if (err == ERR_OK && !s->only_looks && !seal_is_current(seal, raw->doc)) {
        err = object_replace(s->core, &o, raw->version, s->why);
        s->renewed += err == ERR_OK;
    }
    arena_release(&a);
    return err == ERR_CONFLICT ? ERR_OK : err; /* changed meanwhile: by a node that seals */
}

static enum err look_at_kind(struct sealing *s, str kind)
{
    struct object_filter f = {.kind = kind, .any_parent = true, .limit = PAGE};
    struct object_list page = {.more = true};
    char after[OBJECT_ID_MAX];
    struct arena a;
    enum err err = ERR_OK;
    arena_init(&a, PAGE_ARENA_MAX);
    while (err == ERR_OK && page.more) {
        arena_reset(&a);
        err = s->core->store->ops->objects(s->reader, &f, &a, &page, s->why);
        for (size_t i = 0; err == ERR_OK && i < page.count; i++)
            err = look_at(s, &page.v[i]);
        if (err == ERR_OK && page.more) {
            str last = page.v[page.count - 1].id;
            memcpy(after, last.p, last.n);
            f.after = str_of(after, last.n);
        }
    }
    arena_release(&a);
    return err;
}

/* Of a store that nodes share: which key they all have, before there is any secret. */
static enum err make_check(struct sealing *s)
{
    struct object o = {
        .kind = CHECK_KIND, .id = CHECK_ID, .doc = STR("{\"text\":\"the key is right\"}")};
    enum err err = object_put(s->core, &o, OBJECT_ABSENT, s->why);
    return err == ERR_CONFLICT ? ERR_OK : err;
}

static enum err look_at_all(struct sealing *s)
{
    struct store *store = s->core->store;
    enum err err = s->seal && store->shared && !s->only_looks ? make_check(s) : ERR_OK;
    for (size_t i = 0; err == ERR_OK && sealed_kinds[i]; i++)
        err = look_at_kind(s, str_from_cstr(sealed_kinds[i]));
    if (err == ERR_OK && s->renewed)
        log_event(LOG_INFO, "secrets are sealed with the first key now",
                  LOG_I("objects", s->renewed));
    return err;
}

enum err sealing_start(struct engine_core *core, const struct config *c, struct reason *why)
{
    struct sealing s = {.core = core, .why = why};
    struct store *store = core->store;
    if (!store->ops->objects)
        return ERR_OK;
    store->seal = find_key(c, why);
    if (!store->seal && why->code != ERR_OK)
        return why->code;
    s.seal = store->seal;
    s.reader = store_reader_open(store, why);
    if (!s.reader)
        return ERR_IO;
    enum err err = look_at_all(&s);
    store_reader_close(s.reader);
    if (err == ERR_FULL) {
        /* A full disk keeps nothing new; what is there opens, and that is enough to start. */
        log_event(LOG_WARN, "secrets are not sealed anew",
                  LOG_F("reason", str_from_cstr(why->text)));
        err = ERR_OK;
    }
    if (err == ERR_OK && !store->seal && store->shared)
        log_line(LOG_WARN, "secrets are kept in clear in this store; set secret_key");
    return err;
}

enum err sealing_check(struct engine_core *core, const struct config *c, struct reason *why)
{
    struct seal *seal = find_key(c, why);
    struct sealing s = {.core = core, .seal = seal, .only_looks = true, .why = why};
    if (!seal && why->code != ERR_OK)
        return why->code;
    s.reader = store_reader_open(core->store, why);
    enum err err = s.reader ? look_at_all(&s) : ERR_IO;
    store_reader_close(s.reader);
    seal_free(seal);
    return err;
}
