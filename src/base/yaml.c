/* yaml.c -- from libyaml's events to a tree of places and bytes: the door to libyaml.
 *
 * The tree lives in the caller's arena. Scalars are what libyaml makes of the text after quoting
 * and folding, and nothing more: no type is resolved here. Every refusal goes through refuse(),
 * which puts the place before the sentence. */
#include "base/yaml.h"

#include "base/buf.h"
#include "base/codec.h"
#include "base/log.h"
#include "base/map.h"

#include <yaml.h>

#define SHOWN_BYTES_MAX 60
#define FEW_MEMBERS 16

struct reader {
    yaml_parser_t parser;
    yaml_event_t event; /* the one at hand; valid between take and drop */
    bool has_event;
    struct arena *arena;
    str file, text;
    unsigned nodes, depth;
    struct reason *why;
};

static void refuse(struct reader *r, enum err code, yaml_mark_t at, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

static void refuse(struct reader *r, enum err code, yaml_mark_t at, const char *fmt, ...)
{
    char sentence[REASON_TEXT_MAX], file[256];
    struct buf shown = buf_over(file, sizeof(file));
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(sentence, sizeof(sentence), fmt, args);
    va_end(args);
    assert(n >= 0);
    text_escape(&shown, r->file, SHOWN_BYTES_MAX);
    fail(r->why, code, "%s:%zu:%zu: %s", buf_cstr(&shown), at.line + 1, at.column + 1, sentence);
}

/* Bytes of the file as a message may show them. */
static const char *shown(str s, char array[4 * SHOWN_BYTES_MAX + 8])
{
    struct buf text = buf_over(array, 4 * SHOWN_BYTES_MAX + 8);
    text_escape(&text, s, SHOWN_BYTES_MAX);
    return buf_cstr(&text);
}

static void drop_event(struct reader *r)
{
    if (r->has_event)
        yaml_event_delete(&r->event);
    r->has_event = false;
}

/* True when the line of the mark is indented by a tab, which libyaml's message does not say. */
static bool is_tab_indented(str text, size_t line)
{
    str rest = text, one = STR_NONE;
    for (size_t i = 0; i <= line && rest.p; i++)
        one = str_cut(&rest, '\n');
    size_t blanks = 0;
    while (blanks < one.n && one.p[blanks] == ' ')
        blanks++;
    return blanks < one.n && one.p[blanks] == '\t';
}

static void refuse_syntax(struct reader *r)
{
    const yaml_parser_t *p = &r->parser;
    const char *problem = p->problem ? p->problem : "the text is malformed";
    if (p->error == YAML_MEMORY_ERROR)
        die_of_memory(0);
    if (is_tab_indented(r->text, p->problem_mark.line))
        refuse(r, ERR_INVALID, p->problem_mark,
               "a tab indents this line; YAML accepts only spaces there");
    else if (p->context)
        refuse(r, ERR_INVALID, p->problem_mark, "%s %s that begins in line %zu", problem,
               p->context, p->context_mark.line + 1);
    else
        refuse(r, ERR_INVALID, p->problem_mark, "%s", problem);
}

static bool take_event(struct reader *r)
{
    drop_event(r);
    if (!yaml_parser_parse(&r->parser, &r->event)) {
        refuse_syntax(r);
        return false;
    }
    r->has_event = true;
    return true;
}

static bool has_no_extras(struct reader *r, const yaml_char_t *anchor, const yaml_char_t *tag)
{
    char text[4 * SHOWN_BYTES_MAX + 8];
    yaml_mark_t at = r->event.start_mark;
    if (anchor)
        refuse(r, ERR_INVALID, at, "anchors are not supported; remove \"&%s\" and write it out",
               shown(str_from_cstr((const char *)anchor), text));
    else if (tag)
        refuse(r, ERR_INVALID, at, "tags are not supported; remove \"%s\"",
               shown(str_from_cstr((const char *)tag), text));
    return !anchor && !tag;
}

static struct yaml *new_node(struct reader *r, enum yaml_kind kind)
{
    yaml_mark_t at = r->event.start_mark;
    if (++r->nodes > YAML_NODES_MAX) {
        refuse(r, ERR_LIMIT, at, "there are more than %u values in this file", YAML_NODES_MAX);
        return NULL;
    }
    struct yaml *node = ARENA_NEW(r->arena, struct yaml);
    if (!node) {
        refuse(r, ERR_LIMIT, at, "the file does not fit into the memory set aside for it");
        return NULL;
    }
    node->kind = kind;
    node->file = r->file;
    node->line = (unsigned)at.line + 1;
    node->column = (unsigned)at.column + 1;
    return node;
}

static str event_scalar(const struct reader *r)
{
    return str_of((const char *)r->event.data.scalar.value, r->event.data.scalar.length);
}

static struct yaml *read_scalar(struct reader *r)
{
    if (!has_no_extras(r, r->event.data.scalar.anchor, r->event.data.scalar.tag))
        return NULL;
    struct yaml *node = new_node(r, YAML_SCALAR);
    if (!node)
        return NULL;
    node->quoted = r->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    node->scalar = arena_str(r->arena, event_scalar(r));
    if (!node->scalar.p) {
        refuse(r, ERR_LIMIT, r->event.start_mark,
               "the file does not fit into the memory set aside for it");
        return NULL;
    }
    return node;
}

static struct yaml *read_node(struct reader *r);

static void append_child(struct yaml *parent, struct yaml ***tail, struct yaml *child)
{
    **tail = child;
    *tail = &child->next;
    parent->count++;
}

static struct yaml *read_list(struct reader *r)
{
    const yaml_event_t *e = &r->event;
    if (!has_no_extras(r, e->data.sequence_start.anchor, e->data.sequence_start.tag))
        return NULL;
    struct yaml *list = new_node(r, YAML_LIST);
    if (!list)
        return NULL;
    struct yaml **tail = &list->first;
    for (;;) {
        if (!take_event(r))
            return NULL;
        if (r->event.type == YAML_SEQUENCE_END_EVENT)
            return list;
        struct yaml *item = read_node(r);
        if (!item)
            return NULL;
        append_child(list, &tail, item);
    }
}

/* The key at hand, into the arena; STR_NONE when it may not be one. */
static str read_key(struct reader *r)
{
    yaml_mark_t at = r->event.start_mark;
    if (r->event.type == YAML_ALIAS_EVENT) {
        refuse(r, ERR_INVALID, at, "aliases are not supported; write the value out");
        return STR_NONE;
    }
    if (r->event.type != YAML_SCALAR_EVENT) {
        refuse(r, ERR_INVALID, at, "a key must be plain text, not a list or a map");
        return STR_NONE;
    }
    if (!has_no_extras(r, r->event.data.scalar.anchor, r->event.data.scalar.tag))
        return STR_NONE;
    bool plain = r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (plain && str_eq(event_scalar(r), STR("<<"))) {
        refuse(r, ERR_INVALID, at, "merge keys (\"<<\") are not supported; write the members out");
        return STR_NONE;
    }
    str key = arena_str(r->arena, event_scalar(r));
    if (!key.p)
        refuse(r, ERR_LIMIT, at, "the file does not fit into the memory set aside for it");
    return key;
}

/* The earlier member of that key. `seen` serves once the members are many. */
static const struct yaml *find_twin(struct map *seen, const struct yaml *map, str key)
{
    if (map->count <= FEW_MEMBERS)
        return yaml_get(map, key);
    if (seen->count == 0)
        for (struct yaml *m = map->first; m; m = m->next)
            map_put(seen, m->key, m);
    return map_get(seen, key);
}

static struct yaml *read_member(struct reader *r, struct map *seen, const struct yaml *map)
{
    char text[4 * SHOWN_BYTES_MAX + 8];
    yaml_mark_t at = r->event.start_mark;
    str key = read_key(r);
    if (!key.p)
        return NULL;
    const struct yaml *twin = find_twin(seen, map, key);
    if (twin) {
        refuse(r, ERR_INVALID, at, "the key \"%s\" is here twice; the first is in line %u",
               shown(key, text), twin->key_line);
        return NULL;
    }
    struct yaml *member = take_event(r) ? read_node(r) : NULL;
    if (!member)
        return NULL;
    member->key = key;
    member->key_line = (unsigned)at.line + 1;
    member->key_column = (unsigned)at.column + 1;
    if (seen->count > 0)
        map_put(seen, key, member);
    return member;
}

static struct yaml *read_map(struct reader *r)
{
    const yaml_event_t *e = &r->event;
    if (!has_no_extras(r, e->data.mapping_start.anchor, e->data.mapping_start.tag))
        return NULL;
    struct yaml *map = new_node(r, YAML_MAP);
    if (!map)
        return NULL;
    struct yaml **tail = &map->first;
    struct map seen = {0};
    for (;;) {
        struct yaml *member = NULL;
        if (take_event(r)) {
            if (r->event.type == YAML_MAPPING_END_EVENT)
                break;
            member = read_member(r, &seen, map);
        }
        if (!member) {
            map = NULL;
            break;
        }
        append_child(map, &tail, member);
    }
    map_release(&seen);
    return map;
}

/* The node that begins with the event at hand. */
static struct yaml *read_node(struct reader *r)
{
    yaml_mark_t at = r->event.start_mark;
    if (r->event.type == YAML_SCALAR_EVENT)
        return read_scalar(r);
    if (r->event.type == YAML_ALIAS_EVENT) {
        refuse(r, ERR_INVALID, at, "aliases are not supported; write the value out");
        return NULL;
    }
    if (r->depth == YAML_DEPTH_MAX) {
        refuse(r, ERR_LIMIT, at, "lists and maps are nested deeper than %u levels", YAML_DEPTH_MAX);
        return NULL;
    }
    r->depth++;
    struct yaml *node = r->event.type == YAML_SEQUENCE_START_EVENT ? read_list(r) : read_map(r);
    r->depth--;
    return node;
}

static struct yaml *read_document(struct reader *r)
{
    if (!take_event(r))
        return NULL;
    if (r->event.type == YAML_STREAM_START_EVENT && !take_event(r))
        return NULL;
    /* A file without a document is an empty value. */
    if (r->event.type == YAML_STREAM_END_EVENT) {
        struct yaml *empty = new_node(r, YAML_SCALAR);
        if (empty)
            *empty = (struct yaml){.scalar = STR(""), .file = r->file, .line = 1, .column = 1};
        return empty;
    }
    assert(r->event.type == YAML_DOCUMENT_START_EVENT);
    const yaml_event_t *e = &r->event;
    if (e->data.document_start.tag_directives.start != e->data.document_start.tag_directives.end) {
        refuse(r, ERR_INVALID, e->start_mark, "tags are not supported; remove the %%TAG line");
        return NULL;
    }
    struct yaml *root = take_event(r) ? read_node(r) : NULL;
    if (!root || !take_event(r))
        return NULL;
    assert(r->event.type == YAML_DOCUMENT_END_EVENT);
    if (!take_event(r))
        return NULL;
    if (r->event.type != YAML_STREAM_END_EVENT) {
        refuse(r, ERR_INVALID, r->event.start_mark,
               "a second document begins here; a file holds one");
        return NULL;
    }
    return root;
}

/* libyaml would name a byte offset; people look for a line. */
static void refuse_encoding(struct reader *r)
{
    yaml_mark_t at = {0};
    uint32_t c;
    for (size_t i = 0, n; (n = utf8_decode(str_slice(r->text, i, r->text.n), &c)) > 0; i += n) {
        at.column = c == '\n' ? 0 : at.column + 1;
        at.line += c == '\n';
    }
    refuse(r, ERR_INVALID, at, "this is not valid UTF-8; save the file in that encoding");
}

struct yaml *yaml_parse(struct arena *a, str file, str text, struct reason *why)
{
    struct reader r = {.arena = a, .why = why, .file = arena_str(a, file)};
    if (str_starts(text, STR("\xef\xbb\xbf")))
        text = str_slice(text, 3, text.n);
    r.text = text;
    if (text.n > YAML_BYTES_MAX) {
        refuse(&r, ERR_LIMIT, (yaml_mark_t){0}, "the file is larger than %u bytes", YAML_BYTES_MAX);
        return NULL;
    }
    if (!utf8_valid(text)) {
        refuse_encoding(&r);
        return NULL;
    }
    if (!yaml_parser_initialize(&r.parser))
        die_of_memory(0);
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)(text.p ? text.p : ""), text.n);
    struct yaml *root = read_document(&r);
    drop_event(&r);
    yaml_parser_delete(&r.parser);
    return root;
}

const struct yaml *yaml_get(const struct yaml *map, str key)
{
    if (!map || map->kind != YAML_MAP)
        return NULL;
    for (const struct yaml *m = map->first; m; m = m->next)
        if (str_eq(m->key, key))
            return m;
    return NULL;
}
