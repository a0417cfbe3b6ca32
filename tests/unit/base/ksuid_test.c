/* KSUIDs: our ids and back, order kept, nothing foreign taken for ours. */
#include "base/ksuid.h"
#include "base/rand.h"
#include "unit.h"

void test_ksuid_comes_back_and_keeps_the_order(void)
{
    char text[KSUID_TEXT_MAX], before[KSUID_TEXT_MAX] = "";
    uint64_t id, last = 0;
    struct rng r;
    rng_init(&r, 7);
    for (int i = 0; i < 20000; i++) {
        uint64_t next = last + 1 + rng_below(&r, i % 2 ? 3 : UINT64_C(1) << 40);
        str s = ksuid_format("msg_", next, text);
        EXPECT_EQ_UINT(s.n, 31);
        EXPECT(ksuid_parse("msg_", s, &id));
        EXPECT_EQ_UINT(id, next);
        EXPECT(strcmp(before, text) < 0);
        memcpy(before, text, sizeof(before));
        last = next;
    }
}

void test_ksuid_of_others_is_none_of_ours(void)
{
    char text[KSUID_TEXT_MAX];
    uint64_t id;
    /* The epoch of KSUIDs is later than id 1: such a text is ours all the same. */
    EXPECT(ksuid_parse("ep_", ksuid_format("ep_", id_floor(1700000000000) + 5, text), &id));
    EXPECT(!ksuid_parse("msg_", str_from_cstr(text), &id));
    EXPECT(ksuid_is_form("ep_", str_from_cstr(text)));
    text[10] = text[10] == 'a' ? 'b' : 'a';
    EXPECT(!ksuid_parse("ep_", str_from_cstr(text), &id));
    EXPECT(!ksuid_parse("ep_", STR("ep_"), &id));
    EXPECT(!ksuid_parse("ep_", STR("ep_zzzzzzzzzzzzzzzzzzzzzzzzzzz"), &id));
    EXPECT(!ksuid_is_form("ep_", STR("ep_zzzzzzzzzzzzzzzzzzzzzzzzzzz")));
    EXPECT(!ksuid_is_form("ep_", STR("ep_23rb8YdGqMT0qIzpgGwdXfHirM!")));
    EXPECT(ksuid_is_form("org_", STR("org_23rb8YdGqMT0qIzpgGwdXfHirMu")));
    EXPECT(!ksuid_parse("org_", STR("org_23rb8YdGqMT0qIzpgGwdXfHirMu"), &id));
}
