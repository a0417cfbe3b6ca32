/* The bump allocator: alignment, the maximum, reset. */
#include "unit.h"

#include "base/arena.h"

void test_arena_memory_is_aligned_apart_and_zeroed(void)
{
    struct arena a;
    unsigned char *p[500];
    arena_init(&a, 1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(p); i++) {
        p[i] = arena_zalloc(&a, i);
        EXPECT(p[i] != NULL && (uintptr_t)p[i] % 16 == 0);
        for (size_t k = 0; k < i; k++)
            EXPECT(p[i][k] == 0);
        memset(p[i], (int)(i & 0xff), i);
    }
    for (size_t i = 0; i < ARRAY_LEN(p); i++)
        for (size_t k = 0; k < i; k++)
            EXPECT(p[i][k] == (i & 0xff));
    arena_release(&a);
}

void test_arena_max_is_exact_and_failure_is_sticky(void)
{
    struct arena a = {.max = 100};
    EXPECT(arena_alloc(&a, 101) == NULL);
    EXPECT(!arena_ok(&a));
    EXPECT(arena_alloc(&a, 1) == NULL);
    arena_reset(&a);
    EXPECT(arena_ok(&a));
    EXPECT(arena_alloc(&a, 100) != NULL);
    EXPECT(arena_ok(&a));
    EXPECT(arena_alloc(&a, 1) == NULL);
    EXPECT_NONE(arena_str(&a, STR("x")));
    EXPECT(arena_cstr(&a, STR("x")) == NULL);
    EXPECT_NONE(arena_printf(&a, "x"));
    arena_release(&a);
}

void test_arena_small_things_count_their_padding(void)
{
    struct arena a = {.max = 1600};
    size_t n = 0;
    while (arena_alloc(&a, 1))
        n++;
    EXPECT(n >= 100 && n <= 101);
    EXPECT(a.used <= a.max);
    arena_release(&a);
}

void test_arena_a_huge_request_does_not_wrap(void)
{
    struct arena a = {.max = SIZE_MAX};
    EXPECT(arena_alloc(&a, SIZE_MAX) == NULL);
    arena_reset(&a);
    EXPECT(ARENA_ARRAY(&a, uint64_t, SIZE_MAX / 4) == NULL);
    EXPECT(!arena_ok(&a));
    arena_release(&a);
}

void test_arena_reset_keeps_the_first_block(void)
{
    struct arena a;
    arena_init(&a, 1 << 20);
    void *first = arena_alloc(&a, 10);
    for (int i = 0; i < 100; i++)
        EXPECT(arena_alloc(&a, 9000) != NULL);
    arena_reset(&a);
    EXPECT_EQ_UINT(a.used, 0);
    EXPECT(arena_alloc(&a, 10) == first);
    arena_release(&a);
    EXPECT(a.head == NULL);
    EXPECT(arena_alloc(&a, 10) != NULL);
    arena_release(&a);
}

void test_arena_texts(void)
{
    struct arena a = {.max = 4096};
    EXPECT_NONE(arena_str(&a, STR_NONE));
    EXPECT_STR(arena_str(&a, STR("")), "");
    EXPECT_STR(arena_str(&a, STR("a\0b")), "a\0b");
    EXPECT(arena_cstr(&a, STR_NONE) == NULL);
    EXPECT_CSTR(arena_cstr(&a, STR("")), "");
    EXPECT_CSTR(arena_cstr(&a, STR("a\0b")), "a");
    EXPECT_STR(arena_printf(&a, "%s-%d", "x", 42), "x-42");
    EXPECT_STR(arena_printf(&a, "%s", ""), "");
    EXPECT(arena_ok(&a));
    arena_release(&a);
}

void test_arena_new_and_array_are_zeroed_after_reset(void)
{
    struct arena a = {.max = 4096};
    memset(arena_alloc(&a, 1000), 0xff, 1000);
    arena_reset(&a);
    uint64_t *numbers = ARENA_ARRAY(&a, uint64_t, 100);
    for (size_t i = 0; i < 100; i++)
        EXPECT_EQ_UINT(numbers[i], 0);
    EXPECT_EQ_UINT(*ARENA_NEW(&a, uint64_t), 0);
    arena_release(&a);
}

static void note_end(void *arg)
{
    char **at = arg;
    *(*at)++ = 'x';
}

void test_arena_at_end_is_called_once(void)
{
    struct arena a = {.max = 4096};
    char calls[8] = "", *at = calls;
    EXPECT(arena_at_end(&a, note_end, &at));
    EXPECT(arena_at_end(&a, note_end, &at));
    arena_reset(&a);
    EXPECT_CSTR(calls, "xx");
    EXPECT(arena_at_end(&a, note_end, &at));
    arena_release(&a);
    EXPECT_CSTR(calls, "xxx");
    struct arena full = {.max = 8};
    EXPECT(!arena_at_end(&full, note_end, &at));
    arena_release(&full);
    EXPECT_CSTR(calls, "xxx");
}
