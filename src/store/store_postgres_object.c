/* store_postgres_object.c -- reading objects, and following their changes. */
#include "store/store_postgres.h"

#define OBJECT_COLUMNS                                                                             \
    "o.kind, o.id, o.parent, o.name, o.version, o.sequence, o.created_ms, o.updated_ms,"           \
    " o.expires_ms, o.doc, false"
#define SQL_MAX 2048

static struct object row_of(const struct PGresult *r, int i, struct arena *a)
{
    return (struct object){.kind = arena_str(a, pg_bytes(r, i, 0)),
                           .id = arena_str(a, pg_bytes(r, i, 1)),
                           .parent = arena_str(a, pg_bytes(r, i, 2)),
                           .name = arena_str(a, pg_bytes(r, i, 3)),
                           .version = (uint64_t)pg_i64(r, i, 4),
                           .sequence = (uint64_t)pg_i64(r, i, 5),
                           .created_ms = pg_i64(r, i, 6),
                           .updated_ms = pg_i64(r, i, 7),
                           .expires_ms = pg_i64(r, i, 8),
                           .doc = arena_str(a, pg_bytes(r, i, 9)),
                           .deleted = pg_bool(r, i, 10)};
}

enum err pg_object(struct store_reader *base, str kind, str id, str parent, str name,
                   struct arena *a, struct object *out, struct reason *why)
{
    struct pg_args args;
    struct PGresult *r = NULL;
    pg_args_init(&args);
    pg_add_text(&args, kind);
    pg_add_bytes(&args, id.n ? id : parent);
    if (!id.n)
        pg_add_bytes(&args, name);
    enum err e = pg_ask(pg_of(base->store), PG_USE_OTHER,
                        id.n ? "SELECT " OBJECT_COLUMNS " FROM gaff.objects o"
                               " WHERE o.kind = $1 AND o.id = $2"
                             : "SELECT " OBJECT_COLUMNS " FROM gaff.objects o"
                               " WHERE o.kind = $1 AND o.parent = $2 AND o.name = $3"
                               " AND o.name <> ''",
                        &args, &r, why);
    pg_args_release(&args);
    if (e == ERR_OK && pg_rows(r) == 0)
        e = fail(why, ERR_NOT_FOUND, "there is no such " STR_FMT, STR_ARG(kind));
    if (e == ERR_OK)
        *out = row_of(r, 0, a);
    if (e == ERR_OK && !arena_ok(a))
        e = out_of_arena(why);
    pg_clear(r);
    return e;
}

/* One more row than the limit tells that there is more. */
static enum err list_of(const struct PGresult *r, size_t limit, struct arena *a,
                        struct object_list *out, struct reason *why)
{
    size_t n = (size_t)pg_rows(r);
    out->more = n > limit;
    out->v = ARENA_ARRAY(a, struct object, n + 1);
    for (size_t i = 0; out->v && i < n && i < limit; i++)
        out->v[out->count++] = row_of(r, (int)i, a);
    return out->v && arena_ok(a) ? ERR_OK : out_of_arena(why);
}

enum err pg_objects(struct store_reader *base, const struct object_filter *f, struct arena *a,
                    struct object_list *out, struct reason *why)
{
    struct pg_args args;
    struct buf sql;
    struct PGresult *r = NULL;
    assert(f->limit <= 1000);
    *out = (struct object_list){0};
    pg_args_init(&args);
    buf_init(&sql, SQL_MAX);
    buf_printf(&sql, "SELECT " OBJECT_COLUMNS " FROM gaff.objects o WHERE o.kind = $1");
    pg_add_text(&args, f->kind);
    if (!f->any_parent) {
        buf_printf(&sql, " AND o.parent = $%d", args.count + 1);
        pg_add_bytes(&args, f->parent);
    }
    if (f->after.n) {
        buf_printf(&sql, " AND o.id %s $%d", f->descending ? "<" : ">", args.count + 1);
        pg_add_bytes(&args, f->after);
    }
    buf_printf(&sql, " ORDER BY o.id %s LIMIT %zu", f->descending ? "DESC" : "", f->limit + 1);
    enum err e = pg_ask(pg_of(base->store), PG_USE_OTHER, buf_cstr(&sql), &args, &r, why);
    if (e == ERR_OK)
        e = list_of(r, f->limit, a, out, why);
    pg_clear(r);
    buf_release(&sql);
    pg_args_release(&args);
    return e;
}

enum err pg_object_changes(struct store_reader *base, uint64_t after, size_t limit, struct arena *a,
                           struct object_list *out, struct reason *why)
{
    struct pg_args args;
    struct PGresult *r = NULL;
    assert(limit <= 1000);
    *out = (struct object_list){0};
    pg_args_init(&args);
    pg_add_i64(&args, (int64_t)after);
    pg_add_i64(&args, (int64_t)limit + 1);
    enum err e = pg_ask(
        pg_of(base->store), PG_USE_OTHER,
        "SELECT * FROM (SELECT " OBJECT_COLUMNS " FROM gaff.objects o WHERE o.sequence > $1"
        " UNION ALL SELECT g.kind, g.id, g.parent, g.name, 0::bigint, g.sequence, 0::bigint,"
        " g.gone_ms, 0::bigint, ''::bytea, true FROM gaff.objects_gone g WHERE g.sequence > $1"
        " AND NOT EXISTS (SELECT 1 FROM gaff.objects o WHERE o.kind = g.kind AND o.id = g.id)"
        " AND NOT EXISTS (SELECT 1 FROM gaff.objects_gone l WHERE l.kind = g.kind"
        "  AND l.id = g.id AND l.sequence > g.sequence)"
        ") c ORDER BY c.sequence LIMIT $2",
        &args, &r, why);
    pg_args_release(&args);
    if (e == ERR_OK)
        e = list_of(r, limit, a, out, why);
    pg_clear(r);
    return e;
}
