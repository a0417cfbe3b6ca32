/* store_postgres_args.c -- parameters in PostgreSQL's binary form: big-endian numbers, bytes as
 * they are, arrays with a head of one dimension. Nothing is quoted or escaped anywhere. */
#include "store/store_postgres.h"

#define ARGS_BYTES_MAX (900u << 20)

void pg_args_init(struct pg_args *a)
{
    a->count = 0;
    buf_init(&a->bytes, ARGS_BYTES_MAX);
}

void pg_args_clear(struct pg_args *a)
{
    a->count = 0;
    buf_clear(&a->bytes);
}

void pg_args_release(struct pg_args *a)
{
    buf_release(&a->bytes);
}

static void put_u32(struct pg_args *a, uint32_t v)
{
    char b[4] = {(char)(v >> 24), (char)(v >> 16), (char)(v >> 8), (char)v};
    buf_append(&a->bytes, b, sizeof(b));
}

static void put_u64(struct pg_args *a, uint64_t v)
{
    put_u32(a, (uint32_t)(v >> 32));
    put_u32(a, (uint32_t)v);
}

static void begin(struct pg_args *a, enum pg_type type)
{
    assert(a->count < PG_ARGS_MAX);
    a->types[a->count] = (unsigned)type;
    a->at[a->count] = a->bytes.len;
}

static void end(struct pg_args *a)
{
    a->lengths[a->count] = (int)(a->bytes.len - a->at[a->count]);
    a->count++;
}

void pg_add_null(struct pg_args *a, enum pg_type type)
{
    begin(a, type);
    a->lengths[a->count++] = -1;
}

void pg_add_i64(struct pg_args *a, int64_t v)
{
    begin(a, PG_INT8);
    put_u64(a, (uint64_t)v);
    end(a);
}

void pg_add_i32(struct pg_args *a, int32_t v)
{
    begin(a, PG_INT4);
    put_u32(a, (uint32_t)v);
    end(a);
}

void pg_add_bool(struct pg_args *a, bool v)
{
    begin(a, PG_BOOL);
    buf_char(&a->bytes, v);
    end(a);
}

void pg_add_text(struct pg_args *a, str s)
{
    begin(a, PG_TEXT);
    buf_str_append(&a->bytes, s);
    end(a);
}

void pg_add_bytes(struct pg_args *a, str s)
{
    begin(a, PG_BYTEA);
    buf_str_append(&a->bytes, s);
    end(a);
}

static enum pg_type element(enum pg_type array)
{
    switch (array) {
    case PG_BOOL_ARRAY:
        return PG_BOOL;
    case PG_BYTEA_ARRAY:
        return PG_BYTEA;
    case PG_INT4_ARRAY:
        return PG_INT4;
    case PG_TEXT_ARRAY:
        return PG_TEXT;
    case PG_UUID_ARRAY:
        return PG_UUID;
    default:
        assert(array == PG_INT8_ARRAY);
        return PG_INT8;
    }
}

void pg_array(struct pg_args *a, enum pg_type array, size_t count)
{
    begin(a, array);
    put_u32(a, count ? 1 : 0); /* dimensions */
    put_u32(a, 0);             /* no NULL inside */
    put_u32(a, (uint32_t)element(array));
    if (count) {
        put_u32(a, (uint32_t)count);
        put_u32(a, 1); /* the first index */
    }
}

void pg_put_i64(struct pg_args *a, int64_t v)
{
    put_u32(a, 8);
    put_u64(a, (uint64_t)v);
}

void pg_put_i32(struct pg_args *a, int32_t v)
{
    put_u32(a, 4);
    put_u32(a, (uint32_t)v);
}

void pg_put_bool(struct pg_args *a, bool v)
{
    put_u32(a, 1);
    buf_char(&a->bytes, v);
}

void pg_put_str(struct pg_args *a, str s)
{
    put_u32(a, (uint32_t)s.n);
    buf_str_append(&a->bytes, s);
}

void pg_array_end(struct pg_args *a)
{
    end(a);
}

void pg_add_ids(struct pg_args *a, const uint64_t *ids, size_t count)
{
    pg_array(a, PG_INT8_ARRAY, count);
    for (size_t i = 0; i < count; i++)
        pg_put_i64(a, (int64_t)ids[i]);
    pg_array_end(a);
}
