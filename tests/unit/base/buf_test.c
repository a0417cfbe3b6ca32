/* The growing buffer, and binary records. */
#include "unit.h"

#include "base/buf.h"

void test_buf_nothing_appended_is_an_empty_text(void)
{
    struct buf b;
    buf_init(&b, 10);
    EXPECT(b.p == NULL);
    EXPECT_STR(buf_str(&b), "");
    EXPECT_CSTR(buf_cstr(&b), "");
    buf_append(&b, NULL, 0);
    EXPECT(buf_ok(&b));
    buf_release(&b);
}

void test_buf_append_stops_at_max(void)
{
    struct buf b;
    buf_init(&b, 5);
    buf_str_append(&b, STR("abc"));
    buf_str_append(&b, STR("de"));
    EXPECT(buf_ok(&b));
    EXPECT_CSTR(buf_cstr(&b), "abcde");
    buf_char(&b, 'f');
    EXPECT(!buf_ok(&b));
    EXPECT_STR(buf_str(&b), "abcde");
    EXPECT_CSTR(buf_cstr(&b), "");
    buf_release(&b);
}

void test_buf_keeps_an_unbroken_beginning_after_failing(void)
{
    struct buf b;
    buf_init(&b, 4);
    buf_str_append(&b, STR("abc"));
    buf_str_append(&b, STR("too long"));
    buf_str_append(&b, STR("d"));
    EXPECT(!buf_ok(&b));
    EXPECT_STR(buf_str(&b), "abc");
    buf_clear(&b);
    EXPECT(buf_ok(&b));
    buf_str_append(&b, STR("d"));
    EXPECT_STR(buf_str(&b), "d");
    buf_release(&b);
}

void test_buf_printf_fits_exactly_or_fails(void)
{
    for (size_t max = 0; max < 300; max++) {
        struct buf b;
        buf_init(&b, max);
        buf_printf(&b, "%0*d", 150, 7);
        EXPECT(buf_ok(&b) == (max >= 150));
        EXPECT_EQ_UINT(b.len, max >= 150 ? 150 : 0);
        buf_printf(&b, "%0*d", 100, 8);
        EXPECT(buf_ok(&b) == (max >= 250));
        buf_release(&b);
    }
}

void test_buf_decimal_writes_all_digits(void)
{
    static const uint64_t all[] = {0, 1, 9, 10, 12345678901234567890u, UINT64_MAX};
    struct buf b, short_one;
    buf_init(&b, 100);
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        buf_decimal(&b, all[i]);
        buf_char(&b, ' ');
    }
    EXPECT_STR(buf_str(&b), "0 1 9 10 12345678901234567890 18446744073709551615 ");
    buf_release(&b);
    buf_init(&short_one, 2);
    buf_decimal(&short_one, 123);
    EXPECT(!buf_ok(&short_one) && short_one.len == 0);
    buf_release(&short_one);
}

void test_buf_grows_over_many_appends(void)
{
    struct buf b;
    buf_init(&b, 100000);
    for (int i = 0; i < 100000; i++)
        buf_char(&b, (char)i);
    EXPECT(buf_ok(&b));
    EXPECT_EQ_UINT(b.len, 100000);
    for (int i = 0; i < 100000; i++)
        EXPECT(b.p[i] == (char)i);
    buf_char(&b, 'x');
    EXPECT(!buf_ok(&b));
    buf_release(&b);
}

void test_buf_reserve_gives_room_and_grew_takes_it(void)
{
    struct buf b;
    buf_init(&b, 8);
    char *p = buf_reserve(&b, 8);
    EXPECT(p != NULL);
    memcpy(p, "12345678", 8);
    buf_grew(&b, 3);
    EXPECT_STR(buf_str(&b), "123");
    EXPECT(buf_reserve(&b, 5) != NULL);
    EXPECT(buf_reserve(&b, 6) == NULL);
    EXPECT(!buf_ok(&b));
    buf_release(&b);
}

void test_buf_consume_drops_the_beginning(void)
{
    struct buf b;
    buf_init(&b, 8);
    buf_consume(&b, 0);
    buf_str_append(&b, STR("abcdef"));
    buf_consume(&b, 2);
    EXPECT_STR(buf_str(&b), "cdef");
    buf_consume(&b, 4);
    EXPECT_STR(buf_str(&b), "");
    buf_release(&b);
}

void test_buf_over_an_array_never_leaves_it(void)
{
    char array[8];
    struct buf b = buf_over(array, sizeof(array));
    buf_str_append(&b, STR("1234567"));
    EXPECT(buf_ok(&b));
    EXPECT_CSTR(buf_cstr(&b), "1234567");
    EXPECT(b.p == array);
    buf_char(&b, '8');
    EXPECT(!buf_ok(&b));
    b = buf_over(array, sizeof(array));
    buf_printf(&b, "%d", 12345678);
    EXPECT(!buf_ok(&b));
    b = buf_over(array, 1);
    EXPECT_CSTR(buf_cstr(&b), "");
}

static void consume_too_much(void *arg)
{
    buf_consume(arg, 1);
}

void test_buf_consuming_what_is_not_there_is_a_bug(void)
{
    struct buf b;
    buf_init(&b, 8);
    EXPECT(unit_aborts(consume_too_much, &b));
}

void test_cursor_reads_what_buf_wrote(void)
{
    struct buf b;
    buf_init(&b, 100);
    buf_u8(&b, 0xfe);
    buf_u16(&b, 0xfedc);
    buf_u32(&b, 0xfedcba98);
    buf_u64(&b, 0xfedcba9876543210);
    buf_blob(&b, STR("a\0b"));
    buf_blob(&b, STR(""));
    EXPECT_EQ_UINT(b.len, 1 + 2 + 4 + 8 + 7 + 4);
    EXPECT(memcmp(b.p + 1, "\xdc\xfe", 2) == 0);
    struct cursor c = cursor_of(buf_str(&b));
    EXPECT_EQ_UINT(cursor_u8(&c), 0xfe);
    EXPECT_EQ_UINT(cursor_u16(&c), 0xfedc);
    EXPECT_EQ_UINT(cursor_u32(&c), 0xfedcba98);
    EXPECT(cursor_u64(&c) == 0xfedcba9876543210);
    EXPECT_STR(cursor_blob(&c), "a\0b");
    EXPECT_STR(cursor_blob(&c), "");
    EXPECT(!c.failed && c.p == c.end);
    EXPECT_EQ_UINT(cursor_u8(&c), 0);
    EXPECT(c.failed);
    buf_release(&b);
}

void test_cursor_fails_on_every_shortened_record(void)
{
    struct buf b;
    buf_init(&b, 100);
    buf_u16(&b, 1);
    buf_blob(&b, STR("hello"));
    buf_u64(&b, 2);
    for (size_t n = 0; n < b.len; n++) {
        struct cursor c = cursor_of(str_of(b.p, n));
        cursor_u16(&c);
        cursor_blob(&c);
        EXPECT_EQ_UINT(cursor_u64(&c), 0);
        EXPECT(c.failed);
        /* Sticky: also what would fit is refused now. */
        EXPECT_EQ_UINT(cursor_u8(&c), 0);
    }
    struct cursor none = cursor_of(STR_NONE);
    EXPECT_EQ_UINT(cursor_u8(&none), 0);
    EXPECT(none.failed);
    buf_release(&b);
}

void test_cursor_blob_with_a_length_that_lies(void)
{
    struct cursor c = cursor_of(STR("\xff\xff\xff\xffzz"));
    EXPECT_NONE(cursor_blob(&c));
    EXPECT(c.failed);
}
