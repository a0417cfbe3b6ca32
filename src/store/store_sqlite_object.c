/* store_sqlite_object.c -- objects in the SQLite store.
 *
 * A set is judged before it goes into the journal, by the committing thread, against three layers:
 * what earlier sets of the batch do (`fresh`), what is in the journal but not in the database yet
 * (`unwritten`), and the database. What is written later is then beyond doubt: a record holds only
 * changes that held. */
#include "store/store_sqlite.h"

#include "base/log.h"

#define KEY_MAX 2048

struct known { /* an object as it will be, by its id; or who has a name */
    uint64_t lsn;
    bool is_gone;
    uint64_t version;
    int64_t created_ms;
    str parent, name; /* of the object */
    str owner;        /* of the name: an id */
};

struct objects_unwritten {
    struct map unwritten, fresh; /* 'i' kind 0 id, or 'n' kind 0 parent 0 name -> struct known */
    uint64_t sequence;           /* of the last change judged */
    struct buf key;
};

/* --- the layers ------------------------------------------------------------------------------- */

static str id_key(struct buf *b, const struct object *o)
{
    buf_clear(b);
    buf_char(b, 'i');
    buf_str_append(b, o->kind);
    buf_char(b, '\0');
    buf_str_append(b, o->id);
    return buf_str(b);
}

static str name_key(struct buf *b, str kind, str parent, str name)
{
    buf_clear(b);
    buf_char(b, 'n');
    buf_str_append(b, kind);
    buf_char(b, '\0');
    buf_str_append(b, parent);
    buf_char(b, '\0');
    buf_str_append(b, name);
    return buf_str(b);
}

static str copy_to(char **p, str s)
{
    char *to = *p;
    if (s.n)
        memcpy(to, s.p, s.n);
    *p += s.n;
    return str_of(to, s.n);
}

static void know(struct map *m, str key, const struct known *k)
{
    struct known *copy = xmalloc(sizeof(*copy) + k->parent.n + k->name.n + k->owner.n);
    char *p = (char *)(copy + 1);
    *copy = *k;
    copy->parent = copy_to(&p, k->parent);
    copy->name = copy_to(&p, k->name);
    copy->owner = copy_to(&p, k->owner);
    free(map_put(m, key, copy));
}

static void forget_all(struct map *m)
{
    struct map_entry e;
    for (size_t i = 0; map_next(m, &i, &e);)
        free(e.value);
    map_release(m);
    *m = (struct map){0};
}

/* What is in the database now is read from there. */
static void forget_written(struct sqlite_store *s)
{
    struct map *m = &s->objects->unwritten;
    uint64_t applied = atomic_load(&s->applied_lsn);
    struct map_entry e;
    for (size_t i = 0; map_next(m, &i, &e);)
        if (((struct known *)e.value)->lsn < applied)
            free(map_remove(m, e.key));
    if (m->count == 0)
        forget_all(m);
}

static const struct known *recall(struct sqlite_store *s, str key)
{
    const struct known *k = map_get(&s->objects->fresh, key);
    return k ? k : map_get(&s->objects->unwritten, key);
}

/* --- judging ---------------------------------------------------------------------------------- */

/* Asks with the connection of the committing thread. */
static sqlite3_stmt *look_up(struct sqlite_store *s, const char *sql, struct reason *why)
{
    if (!s->parts.db && db_open_reader(s, &s->parts, why) != ERR_OK)
        return NULL;
    sqlite3_stmt *q = db_statement(&s->parts, sql);
    if (!q)
        db_fail(s->parts.db, "look an object up", why);
    return q;
}

static enum err end_look(struct sqlite_store *s, sqlite3_stmt *q, int rc, struct reason *why)
{
    sqlite3_reset(q); /* at once: an open read would keep the log from being reused */
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? ERR_OK
                                                 : db_fail(s->parts.db, "look an object up", why);
}

/* The object as it is for the next change; its slices live in *kept. */
static enum err find_by_id(struct sqlite_store *s, const struct object *o, struct known *out,
                           struct buf *kept, struct reason *why)
{
    const struct known *k = recall(s, id_key(&s->objects->key, o));
    if (k) {
        *out = *k;
        return ERR_OK;
    }
    *out = (struct known){.is_gone = true};
    sqlite3_stmt *q = look_up(
        s, "SELECT version, created_ms, parent, name FROM objects WHERE kind=?1 AND id=?2", why);
    if (!q)
        return ERR_IO;
    db_bind_str(q, 1, o->kind);
    db_bind_str(q, 2, o->id);
    int rc = sqlite3_step(q);
    if (rc == SQLITE_ROW) {
        str parent = db_column(q, 2), name = db_column(q, 3);
        buf_clear(kept);
        buf_str_append(kept, parent);
        buf_str_append(kept, name);
        *out = (struct known){.version = db_u64(q, 0),
                              .created_ms = sqlite3_column_int64(q, 1),
                              .parent = str_slice(buf_str(kept), 0, parent.n),
                              .name = str_slice(buf_str(kept), parent.n, kept->len)};
    }
    return end_look(s, q, rc, why);
}

/* True when another object has the name. */
static enum err name_is_taken(struct sqlite_store *s, const struct object *o, bool *taken,
                              struct reason *why)
{
    *taken = false;
    if (o->name.n == 0)
        return ERR_OK;
    const struct known *k = recall(s, name_key(&s->objects->key, o->kind, o->parent, o->name));
    if (k) {
        *taken = !k->is_gone && !str_eq(k->owner, o->id);
        return ERR_OK;
    }
    sqlite3_stmt *q = look_up(
        s, "SELECT id FROM objects WHERE kind=?1 AND parent=?2 AND name=?3 AND name<>''", why);
    if (!q)
        return ERR_IO;
    db_bind_str(q, 1, o->kind);
    db_bind_str(q, 2, o->parent);
    db_bind_str(q, 3, o->name);
    int rc = sqlite3_step(q);
    *taken = rc == SQLITE_ROW && !str_eq(db_column(q, 0), o->id);
    return end_look(s, q, rc, why);
}

static void note(struct sqlite_store *s, struct map *m, const struct object_change *c,
                 const struct known *was, uint64_t lsn)
{
    const struct object *o = &c->object;
    bool is_gone = c->op == OBJECT_DELETE;
    struct buf *key = &s->objects->key;
    if (was && !was->is_gone && was->name.n) {
        const struct known freed = {.lsn = lsn, .is_gone = true};
        know(m, name_key(key, o->kind, was->parent, was->name), &freed);
    }
    const struct known is = {.lsn = lsn,
                             .is_gone = is_gone,
                             .version = o->version,
                             .created_ms = o->created_ms,
                             .parent = is_gone ? STR("") : o->parent,
                             .name = is_gone ? STR("") : o->name};
    know(m, id_key(key, o), &is);
    if (!is_gone && o->name.n) {
        const struct known has = {.lsn = lsn, .owner = o->id};
        know(m, name_key(key, o->kind, o->parent, o->name), &has);
    }
}

/* ERR_OK, or what the set's err becomes; *broken: the database could not be asked. */
static enum err judge(struct sqlite_store *s, struct object_change *c, struct buf *kept,
                      bool *broken, struct reason *why)
{
    struct object *o = &c->object;
    struct known there;
    bool taken = false;
    assert(o->kind.n && o->kind.n <= OBJECT_KIND_MAX && o->id.n && o->id.n <= OBJECT_ID_MAX);
    *broken = find_by_id(s, o, &there, kept, why) != ERR_OK;
    if (*broken)
        return ERR_IO;
    if (c->expect == OBJECT_ABSENT && !there.is_gone)
        return ERR_CONFLICT;
    if (c->expect != OBJECT_ANY && c->expect != OBJECT_ABSENT && there.is_gone)
        return ERR_NOT_FOUND;
    if (c->expect != OBJECT_ANY && c->expect != OBJECT_ABSENT && there.version != c->expect)
        return ERR_CONFLICT;
    if (c->op == OBJECT_PUT) {
        *broken = name_is_taken(s, o, &taken, why) != ERR_OK;
        if (*broken || taken)
            return *broken ? ERR_IO : ERR_CONFLICT;
        o->created_ms = there.is_gone ? o->created_ms : there.created_ms;
        o->version = there.is_gone ? 1 : there.version + 1;
    } else {
        o->version = there.version;
        o->updated_ms = clock_wall_ms(s->clock);
    }
    note(s, &s->objects->fresh, c, &there, 0);
    return ERR_OK;
}

/* A set that fails in its middle must leave no trace in `fresh`: the sets before it are noted
 * again. Failing sets are rare, and batches with many of them rarer. */
static void note_again(struct sqlite_store *s, struct object_set *sets,
                       const struct object_set *until)
{
    struct reason ignored;
    struct buf kept;
    buf_init(&kept, KEY_MAX);
    forget_all(&s->objects->fresh);
    for (struct object_set *t = sets; t != until; t = t->next)
        for (size_t i = 0; t->err == ERR_OK && i < t->count; i++) {
            struct known there;
            if (find_by_id(s, &t->changes[i].object, &there, &kept, &ignored) == ERR_OK)
                note(s, &s->objects->fresh, &t->changes[i], &there, 0);
        }
    buf_release(&kept);
}

enum err objects_judge(struct sqlite_store *s, struct object_set *sets, size_t *changes,
                       struct reason *why)
{
    struct buf kept;
    bool broken = false;
    *changes = 0;
    if (!sets)
        return ERR_OK;
    buf_init(&kept, KEY_MAX);
    forget_written(s);
    for (struct object_set *t = sets; t && !broken; t = t->next) {
        t->err = ERR_OK;
        for (size_t i = 0; i < t->count && t->err == ERR_OK; i++) {
            t->failed = i;
            t->err = judge(s, &t->changes[i], &kept, &broken, why);
        }
        if (t->err != ERR_OK)
            note_again(s, sets, t);
        else
            *changes += t->count;
    }
    uint64_t sequence = s->object_sequence;
    for (struct object_set *t = sets; t; t = t->next)
        for (size_t i = 0; t->err == ERR_OK && i < t->count; i++)
            t->changes[i].object.sequence = ++sequence;
    s->objects->sequence = sequence;
    buf_release(&kept);
    return broken ? ERR_IO : ERR_OK;
}

void objects_judged(struct sqlite_store *s, bool good, uint64_t lsn)
{
    struct map *fresh = &s->objects->fresh;
    struct map_entry e;
    for (size_t i = 0; good && map_next(fresh, &i, &e);) {
        ((struct known *)e.value)->lsn = lsn;
        free(map_put(&s->objects->unwritten, e.key, e.value));
    }
    if (good && fresh->count) {
        map_release(fresh);
        *fresh = (struct map){0};
        s->object_sequence = s->objects->sequence;
        atomic_store(&s->object_sequence_shown, s->object_sequence);
    } else {
        forget_all(fresh);
    }
}

/* --- the tables ------------------------------------------------------------------------------- */

static bool write_gone(struct writer *w, const struct object *o)
{
    sqlite3_stmt *q =
        db_statement(&w->c, "INSERT OR REPLACE INTO objects_gone SELECT ?1, kind, id, parent, name,"
                            " ?2 FROM objects WHERE kind=?3 AND id=?4");
    if (!q)
        return false;
    db_bind_u64(q, 1, o->sequence);
    sqlite3_bind_int64(q, 2, o->updated_ms);
    db_bind_str(q, 3, o->kind);
    db_bind_str(q, 4, o->id);
    if (!db_run(q))
        return false;
    q = db_statement(&w->c, "DELETE FROM objects WHERE kind=?1 AND id=?2");
    if (!q)
        return false;
    db_bind_str(q, 1, o->kind);
    db_bind_str(q, 2, o->id);
    return db_run(q);
}

bool objects_write(struct writer *w, const struct object_change *c)
{
    const struct object *o = &c->object;
    if (c->op == OBJECT_DELETE)
        return write_gone(w, o);
    sqlite3_stmt *q = db_statement(&w->c, "INSERT OR REPLACE INTO objects VALUES"
                                          " (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)");
    if (!q)
        return false;
    db_bind_str(q, 1, o->kind);
    db_bind_str(q, 2, o->id);
    db_bind_str(q, 3, o->parent);
    db_bind_str(q, 4, o->name);
    db_bind_u64(q, 5, o->version);
    db_bind_u64(q, 6, o->sequence);
    sqlite3_bind_int64(q, 7, o->created_ms);
    sqlite3_bind_int64(q, 8, o->updated_ms);
    sqlite3_bind_int64(q, 9, o->expires_ms);
    db_bind_blob(q, 10, o->doc);
    return db_run(q);
}

/* Deletions made here have no number of their own order, for the committing thread alone gives
 * numbers: what expired is gone for followers by its own time. */
bool objects_purge(struct writer *w, int64_t now_ms, size_t most)
{
    sqlite3_stmt *q =
        db_statement(&w->c, "DELETE FROM objects WHERE rowid IN (SELECT rowid FROM objects"
                            " WHERE expires_ms>0 AND expires_ms<=?1 LIMIT ?2)");
    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, now_ms);
    sqlite3_bind_int64(q, 2, (int64_t)most);
    if (!db_run(q))
        return false;
    /* The newest one stays: it keeps the numbers from starting anew. */
    q = db_statement(&w->c, "DELETE FROM objects_gone WHERE gone_ms<=?1 AND sequence<"
                            "(SELECT max(sequence) FROM objects_gone)");
    if (!q)
        return false;
    sqlite3_bind_int64(q, 1, now_ms - OBJECT_GONE_KEPT_MS);
    return db_run(q);
}

/* --- asking ----------------------------------------------------------------------------------- */

#define OBJECT_COLUMNS                                                                             \
    "kind, id, parent, name, version, sequence, created_ms, updated_ms, expires_ms, doc"

static struct object read_object(sqlite3_stmt *q, struct arena *a)
{
    return (struct object){.kind = arena_str(a, db_column(q, 0)),
                           .id = arena_str(a, db_column(q, 1)),
                           .parent = arena_str(a, db_column(q, 2)),
                           .name = arena_str(a, db_column(q, 3)),
                           .version = db_u64(q, 4),
                           .sequence = db_u64(q, 5),
                           .created_ms = sqlite3_column_int64(q, 6),
                           .updated_ms = sqlite3_column_int64(q, 7),
                           .expires_ms = sqlite3_column_int64(q, 8),
                           .doc = arena_str(a, db_column(q, 9))};
}

enum err sqlite_object(struct store_reader *base, str kind, str id, str parent, str name,
                       struct arena *a, struct object *out, struct reason *why)
{
    struct sqlite_reader *r = sqlite_reader_of(base);
    enum err e = apply_barrier(sqlite_of(base->store), why);
    if (e != ERR_OK)
        return e;
    sqlite3_stmt *q = db_statement(
        &r->c, id.n ? "SELECT " OBJECT_COLUMNS " FROM objects WHERE kind=?1 AND id=?2"
                    : "SELECT " OBJECT_COLUMNS " FROM objects WHERE kind=?1 AND parent=?2"
                      " AND name=?3 AND name<>''");
    if (!q)
        return db_fail(r->c.db, "read an object", why);
    db_bind_str(q, 1, kind);
    db_bind_str(q, 2, id.n ? id : parent);
    if (!id.n)
        db_bind_str(q, 3, name);
    int rc = sqlite3_step(q);
    if (rc == SQLITE_ROW)
        *out = read_object(q, a);
    sqlite3_reset(q);
    if (rc == SQLITE_DONE)
        return fail(why, ERR_NOT_FOUND, "there is no such " STR_FMT, STR_ARG(kind));
    if (rc != SQLITE_ROW)
        return db_fail(r->c.db, "read an object", why);
    return arena_ok(a) ? ERR_OK : out_of_arena(why);
}

/* The rows of a prepared statement, up to the limit and one more that is only counted. */
static enum err read_all(struct sqlite_reader *r, sqlite3_stmt *q, size_t limit, struct arena *a,
                         struct object_list *out, struct reason *why)
{
    int rc = SQLITE_DONE;
    *out = (struct object_list){.v = ARENA_ARRAY(a, struct object, limit + 1)};
    while (out->v && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        if (out->count == limit) {
            out->more = true;
            break;
        }
        out->v[out->count++] = read_object(q, a);
    }
    sqlite3_reset(q);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        return db_fail(r->c.db, "list objects", why);
    return out->v && arena_ok(a) ? ERR_OK : out_of_arena(why);
}

static const char *list_sql(const struct object_filter *f)
{
#define LIST "SELECT " OBJECT_COLUMNS " FROM objects WHERE kind=?1"
    if (f->any_parent)
        return f->descending ? LIST " AND (?2='' OR id<?2) ORDER BY id DESC LIMIT ?3"
                             : LIST " AND id>?2 ORDER BY id LIMIT ?3";
    return f->descending ? LIST " AND parent=?4 AND (?2='' OR id<?2) ORDER BY id DESC LIMIT ?3"
                         : LIST " AND parent=?4 AND id>?2 ORDER BY id LIMIT ?3";
#undef LIST
}

enum err sqlite_objects(struct store_reader *base, const struct object_filter *f, struct arena *a,
                        struct object_list *out, struct reason *why)
{
    struct sqlite_reader *r = sqlite_reader_of(base);
    assert(f->limit <= 1000);
    *out = (struct object_list){0};
    (void)apply_barrier(sqlite_of(base->store), NULL);
    sqlite3_stmt *q = db_statement(&r->c, list_sql(f));
    if (!q)
        return db_fail(r->c.db, "list objects", why);
    db_bind_str(q, 1, f->kind);
    db_bind_str(q, 2, f->after);
    sqlite3_bind_int64(q, 3, (int64_t)f->limit + 1);
    if (!f->any_parent)
        db_bind_str(q, 4, f->parent);
    return read_all(r, q, f->limit, a, out, why);
}

enum err sqlite_object_changes(struct store_reader *base, uint64_t after, size_t limit,
                               struct arena *a, struct object_list *out, struct reason *why)
{
    struct sqlite_reader *r = sqlite_reader_of(base);
    assert(limit <= 1000);
    *out = (struct object_list){0};
    enum err e = apply_barrier(sqlite_of(base->store), why);
    sqlite3_stmt *q =
        e != ERR_OK
            ? NULL
            : db_statement(&r->c,
                           "SELECT " OBJECT_COLUMNS ", 0 FROM objects WHERE sequence>?1 UNION ALL"
                           " SELECT kind, id, parent, name, 0, sequence, 0, gone_ms, 0, '', 1"
                           " FROM objects_gone g WHERE sequence>?1 AND NOT EXISTS (SELECT 1 FROM"
                           " objects o WHERE o.kind=g.kind AND o.id=g.id)"
                           " ORDER BY sequence LIMIT ?2");
    if (!q)
        return e != ERR_OK ? e : db_fail(r->c.db, "follow objects", why);
    db_bind_u64(q, 1, after);
    sqlite3_bind_int64(q, 2, (int64_t)limit + 1);
    e = read_all(r, q, limit, a, out, why);
    /* What has no version was made by a deletion. */
    for (size_t i = 0; i < out->count; i++)
        out->v[i].deleted = out->v[i].version == 0;
    return e;
}

/* --- life ------------------------------------------------------------------------------------- */

enum err objects_open(struct sqlite_store *s, struct reason *why)
{
    s->objects = xcalloc(1, sizeof(*s->objects));
    buf_init(&s->objects->key, KEY_MAX);
    sqlite3_stmt *q =
        db_statement(&s->writer.c, "SELECT max((SELECT coalesce(max(sequence), 0) FROM objects),"
                                   " (SELECT coalesce(max(sequence), 0) FROM objects_gone))");
    int rc = q ? sqlite3_step(q) : SQLITE_ERROR;
    if (rc == SQLITE_ROW)
        s->object_sequence = db_u64(q, 0);
    sqlite3_reset(q);
    atomic_store(&s->object_sequence_shown, s->object_sequence);
    return rc == SQLITE_ROW ? ERR_OK : db_fail(s->writer.c.db, "read the objects", why);
}

void objects_note(struct sqlite_store *s, const struct object_change *c, uint64_t lsn)
{
    struct known was;
    struct reason ignored;
    struct buf kept;
    buf_init(&kept, KEY_MAX);
    if (find_by_id(s, &c->object, &was, &kept, &ignored) != ERR_OK)
        was = (struct known){.is_gone = true};
    note(s, &s->objects->unwritten, c, &was, lsn);
    buf_release(&kept);
    if (c->object.sequence > s->object_sequence)
        s->object_sequence = c->object.sequence;
    atomic_store(&s->object_sequence_shown, s->object_sequence);
}

void objects_release(struct sqlite_store *s)
{
    if (!s->objects)
        return;
    forget_all(&s->objects->unwritten);
    forget_all(&s->objects->fresh);
    buf_release(&s->objects->key);
    free(s->objects);
}
