/* xml.c -- the door to libexpat. Elements that are open form a stack in the arena; what ends is
 * handed to its parent. */
#include "compat/xml.h"

#if defined(__has_include) && __has_include(<expat.h>)
#include <dlfcn.h>
#include <expat.h>
#include <pthread.h>

#if XML_MAJOR_VERSION == 2 && XML_MINOR_VERSION < 9
#define EXPAT_LINE(X) X(XML_GetCurrentLineNumber)
#else /* which warns of the shorter name */
#define EXPAT_LINE(X) X(XML_GetCurrentLineNumber64)
#endif
#define ITSELF(name) name

/* What is used of the library, found by name when it is loaded. */
#define EXPAT_CALLS(X)                                                                             \
    X(XML_ParserCreate)                                                                            \
    X(XML_ParserFree)                                                                              \
    X(XML_Parse)                                                                                   \
    X(XML_StopParser)                                                                              \
    X(XML_GetErrorCode)                                                                            \
    X(XML_ErrorString)                                                                             \
    EXPAT_LINE(X)                                                                                  \
    X(XML_SetUserData)                                                                             \
    X(XML_SetElementHandler)                                                                       \
    X(XML_SetCharacterDataHandler)                                                                 \
    X(XML_SetCommentHandler)                                                                       \
    X(XML_SetCdataSectionHandler)                                                                  \
    X(XML_SetProcessingInstructionHandler)                                                         \
    X(XML_SetEntityDeclHandler)

static struct {
#define X(name) __typeof__(name) *name;
    EXPAT_CALLS(X)
#undef X
    bool loaded;
} expat;

static void load(void)
{
    void *library = dlopen("libexpat.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return;
    expat.loaded = true;
#define X(name)                                                                                    \
    *(void **)(void *)&expat.name = dlsym(library, #name);                                         \
    expat.loaded = expat.loaded && expat.name;
    EXPAT_CALLS(X)
#undef X
}

struct repeated { /* elements of one name in one parent, in order */
    struct value v;
    struct repeated *next;
};

struct child {
    str name;
    struct repeated *first, *last;
    size_t count;
    struct child *next;
};

struct element {
    str name;
    struct map_builder attributes;
    bool has_inside; /* attributes or elements: text goes to #text */
    bool has_text, has_plain;
    str text;  /* the last run of it beside attributes or elements */
    str plain; /* the last run before any: then it is the whole value */
    struct child *children;
    size_t child_count;
    struct element *parent;
};

struct reader {
    struct arena *arena;
    XML_Parser parser;
    struct element *open;
    unsigned depth;
    struct buf run; /* character data since the last markup */
    struct value root;
    bool done;
    const char *refused;
};

static void stop(struct reader *r, const char *why)
{
    if (!r->refused)
        r->refused = why;
    (void)expat.XML_StopParser(r->parser, XML_FALSE);
}

static str local_name(str qualified)
{
    size_t colon = str_find(qualified, ':');
    return colon == qualified.n ? qualified : str_slice(qualified, colon + 1, qualified.n);
}

static str trim_noise(str s)
{
    static const char noise[] = "\t\r\b\n ";
    while (s.n && memchr(noise, s.p[0], sizeof(noise) - 1))
        s = str_slice(s, 1, s.n);
    while (s.n && memchr(noise, s.p[s.n - 1], sizeof(noise) - 1))
        s.n--;
    return s;
}

/* The character data so far is one run: it replaces an earlier one. */
static void end_run(struct reader *r)
{
    str text = trim_noise(buf_str(&r->run));
    if (text.n && r->open) {
        struct element *e = r->open;
        text = arena_str(r->arena, text);
        *(e->has_inside ? &e->text : &e->plain) = text;
        e->has_text = e->has_text || e->has_inside;
        e->has_plain = e->has_plain || !e->has_inside;
        if (!text.p)
            stop(r, "the document needs too much memory");
    }
    if (!buf_ok(&r->run))
        stop(r, "the document needs too much memory");
    buf_clear(&r->run);
}

static void XMLCALL on_start(void *arg, const XML_Char *name, const XML_Char **attributes)
{
    struct reader *r = arg;
    if (r->done || r->refused)
        return;
    end_run(r);
    struct element *e = ++r->depth <= XML_DEPTH_MAX ? ARENA_NEW(r->arena, struct element) : NULL;
    if (!e) {
        stop(r, "the document is nested too deeply");
        return;
    }
    e->name = local_name(arena_str(r->arena, str_from_cstr(name)));
    e->attributes.arena = r->arena;
    e->parent = r->open;
    for (size_t i = 0; attributes[i]; i += 2) {
        str local = local_name(str_from_cstr(attributes[i]));
        str value = arena_str(r->arena, str_from_cstr(attributes[i + 1]));
        str key = arena_printf(r->arena, "-" STR_FMT, STR_ARG(local));
        if (!key.p || !value.p || !map_builder_add(&e->attributes, key, value_string(value)))
            stop(r, "the document needs too much memory");
        e->has_inside = true;
    }
    if (r->open)
        r->open->has_inside = true;
    r->open = e;
}

static bool add_child(struct arena *a, struct element *parent, str name, struct value v)
{
    struct child **at = &parent->children;
    while (*at && !str_eq((*at)->name, name))
        at = &(*at)->next;
    if (!*at) {
        *at = ARENA_NEW(a, struct child);
        if (!*at)
            return false;
        (*at)->name = name;
        parent->child_count++;
    }
    struct repeated *one = ARENA_NEW(a, struct repeated);
    if (!one)
        return false;
    one->v = v;
    if ((*at)->last)
        (*at)->last->next = one;
    else
        (*at)->first = one;
    (*at)->last = one;
    (*at)->count++;
    return true;
}

static bool child_value(struct arena *a, const struct child *c, struct value *out)
{
    size_t i = 0;
    *out = c->first->v;
    if (c->count == 1)
        return true;
    *out = (struct value){.kind = VALUE_LIST, .count = c->count};
    out->items = ARENA_ARRAY(a, struct value, c->count);
    for (const struct repeated *one = c->first; out->items && one; one = one->next)
        out->items[i++] = one->v;
    return out->items != NULL;
}

static bool element_value(struct arena *a, struct element *e, struct value *out)
{
    struct map_builder *b = &e->attributes;
    *out = value_string(e->has_plain ? e->plain : STR(""));
    if (e->has_plain || !e->has_inside)
        return true;
    for (const struct child *c = e->children; c; c = c->next) {
        struct value v;
        if (!child_value(a, c, &v) || !map_builder_add(b, c->name, v))
            return false;
    }
    if (e->has_text && !map_builder_add(b, STR("#text"), value_string(e->text)))
        return false;
    *out = map_builder_finish(b, false);
    return true;
}

static void XMLCALL on_end(void *arg, const XML_Char *name)
{
    struct reader *r = arg;
    UNUSED(name);
    if (r->done || r->refused || !r->open)
        return;
    end_run(r);
    struct element *e = r->open;
    struct value v;
    bool ok = element_value(r->arena, e, &v);
    r->open = e->parent;
    r->depth--;
    if (ok && r->open) {
        ok = add_child(r->arena, r->open, e->name, v);
    } else if (ok) {
        struct map_builder b = {.arena = r->arena};
        ok = map_builder_add(&b, e->name, v);
        r->root = map_builder_finish(&b, false);
        r->done = true;
        (void)expat.XML_StopParser(r->parser, XML_FALSE); /* what follows is not looked at */
    }
    if (!ok)
        stop(r, "the document needs too much memory");
}

static void XMLCALL on_text(void *arg, const XML_Char *text, int n)
{
    struct reader *r = arg;
    if (!r->done && r->open)
        buf_append(&r->run, text, (size_t)n);
}

static void XMLCALL on_markup(void *arg)
{
    end_run(arg);
}

static void XMLCALL on_comment(void *arg, const XML_Char *text)
{
    UNUSED(text);
    end_run(arg);
}

static void XMLCALL on_instruction(void *arg, const XML_Char *target, const XML_Char *data)
{
    UNUSED(target);
    UNUSED(data);
    end_run(arg);
}

static void XMLCALL on_entity(void *arg, const XML_Char *name, int is_parameter,
                              const XML_Char *value, int n, const XML_Char *base,
                              const XML_Char *system, const XML_Char *public,
                              const XML_Char *notation)
{
    UNUSED(name), UNUSED(is_parameter), UNUSED(value), UNUSED(n), UNUSED(base), UNUSED(system);
    UNUSED(public), UNUSED(notation);
    stop(arg, "the document declares entities, which are not followed");
}

enum err xml_parse(struct arena *a, str text, struct value *out, struct reason *why)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct reader r = {.arena = a};
    enum err err = ERR_OK;
    (void)pthread_once(&once, load);
    if (!expat.loaded)
        return fail(why, ERR_NOT_FOUND,
                    "XML needs libexpat, which is not installed (Debian: libexpat1)");
    if (text.n > INT32_MAX)
        return fail(why, ERR_LIMIT, "an XML body may have at most 2 GiB");
    r.parser = expat.XML_ParserCreate(NULL);
    if (!r.parser)
        return fail(why, ERR_NOMEM, "no memory for an XML parser");
    buf_init(&r.run, text.n + 1);
    expat.XML_SetUserData(r.parser, &r);
    expat.XML_SetElementHandler(r.parser, on_start, on_end);
    expat.XML_SetCharacterDataHandler(r.parser, on_text);
    expat.XML_SetCommentHandler(r.parser, on_comment);
    expat.XML_SetCdataSectionHandler(r.parser, on_markup, on_markup);
    expat.XML_SetProcessingInstructionHandler(r.parser, on_instruction);
    expat.XML_SetEntityDeclHandler(r.parser, on_entity);
    (void)expat.XML_Parse(r.parser, text.p, (int)text.n, XML_TRUE);
    if (r.refused)
        err = fail(why, ERR_INVALID, "xml.Decoder.Token() - %s", r.refused);
    else if (!r.done)
        err = fail(why, ERR_INVALID, "xml.Decoder.Token() - line %lu: %s",
                   (unsigned long)expat.EXPAT_LINE(ITSELF)(r.parser),
                   expat.XML_ErrorString(expat.XML_GetErrorCode(r.parser)));
    *out = r.root;
    buf_release(&r.run);
    expat.XML_ParserFree(r.parser);
    return err;
}

#else

enum err xml_parse(struct arena *a, str text, struct value *out, struct reason *why)
{
    UNUSED(a);
    UNUSED(text);
    UNUSED(out);
    return fail(why, ERR_NOT_FOUND, "this gaff was built without libexpat: XML cannot be read");
}

#endif
