/* seal_test.c -- what is sealed opens with its key, for its owner, unchanged, and not otherwise. */
#include "verify/seal.h"

#include "unit.h"

#define KEY "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
#define NEWER "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXphYmNkZWY="

static struct seal *with(const char *keys)
{
    struct reason why = {0};
    struct seal *s = seal_new(str_from_cstr(keys), &why);
    if (!s)
        FAIL("%s", why.text);
    return s;
}

void test_seal_opens_with_its_key_for_its_owner(void)
{
    struct arena a;
    struct reason why = {0};
    struct seal *s = with(KEY);
    str out, text = STR("{\"secrets\":[{\"key\":\"whsec_x\"}]}");
    arena_init(&a, 1u << 20);
    str sealed = seal_close(s, STR("endpoint\nep_1"), text, &a);
    EXPECT_EQ_INT(sealed.n, text.n + SEAL_OVERHEAD);
    EXPECT(seal_is_sealed(sealed) && !seal_is_sealed(text));
    EXPECT_EQ_INT(str_find_str(sealed, STR("whsec")), sealed.n);
    EXPECT_OK(seal_open(s, STR("endpoint\nep_1"), sealed, &a, &out, &why), why);
    EXPECT_EQ_STR(out, text);
    EXPECT_EQ_INT(seal_open(s, STR("endpoint\nep_2"), sealed, &a, &out, &why), ERR_DENIED);
    str again = seal_close(s, STR("endpoint\nep_1"), text, &a);
    EXPECT(!str_eq(sealed, again)); /* another nonce */
    EXPECT_OK(seal_open(s, STR("o"), seal_close(s, STR("o"), STR(""), &a), &a, &out, &why), why);
    EXPECT_EQ_INT(out.n, 0);
    arena_release(&a);
    seal_free(s);
}

/* Each byte matters: marks, nonce, text, tag. */
void test_seal_notices_every_change(void)
{
    struct arena a;
    struct reason why = {0};
    struct seal *s = with(KEY);
    str out;
    arena_init(&a, 1u << 20);
    str sealed = seal_close(s, STR("o"), STR("text"), &a);
    for (size_t i = 0; i < sealed.n; i++) {
        str bad = arena_str(&a, sealed);
        ((char *)(uintptr_t)bad.p)[i] ^= 1;
        if (!seal_is_sealed(bad)) /* no longer taken for one */
            continue;
        if (seal_open(s, STR("o"), bad, &a, &out, &why) != ERR_DENIED)
            FAIL("byte %zu", i);
    }
    EXPECT(!seal_is_sealed(str_slice(sealed, 0, SEAL_OVERHEAD - 1)));
    EXPECT_EQ_INT(seal_open(s, STR("o"), str_slice(sealed, 0, sealed.n - 1), &a, &out, &why),
                  ERR_DENIED);
    arena_release(&a);
    seal_free(s);
}

void test_seal_key_rotates(void)
{
    struct arena a;
    struct reason why = {0};
    struct seal *old = with(KEY), *both = with(NEWER " \n" KEY), *fresh = with(NEWER);
    str out;
    arena_init(&a, 1u << 20);
    str sealed = seal_close(old, STR("o"), STR("text"), &a);
    EXPECT_OK(seal_open(both, STR("o"), sealed, &a, &out, &why), why);
    EXPECT(!seal_is_current(both, sealed) && seal_is_current(old, sealed));
    EXPECT_EQ_INT(seal_open(fresh, STR("o"), sealed, &a, &out, &why), ERR_DENIED);
    EXPECT_HAS(why.text, "another key");
    sealed = seal_close(both, STR("o"), out, &a);
    EXPECT_OK(seal_open(fresh, STR("o"), sealed, &a, &out, &why), why);
    EXPECT_STR(out, "text");
    arena_release(&a);
    seal_free(old);
    seal_free(both);
    seal_free(fresh);
}

void test_seal_wants_keys_of_enough_chance(void)
{
    struct reason why = {0};
    static const char *const bad[] = {"", "  \n", "short", KEY " short",
                                      KEY " " KEY " " KEY " " KEY " " KEY " " KEY " " KEY " " KEY
                                          " " KEY};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        EXPECT(seal_new(str_from_cstr(bad[i]), &why) == NULL);
        EXPECT(!strstr(why.text, "short"));
    }
}
