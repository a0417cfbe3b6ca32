/* Secrets: comparing and wiping. */
#include "unit.h"

#include "base/secret.h"

void test_secret_equal_sees_every_byte_and_the_length(void)
{
    char a[40], b[40];
    memset(a, 7, sizeof(a));
    memset(b, 7, sizeof(b));
    EXPECT(secret_equal(a, 40, b, 40));
    EXPECT(!secret_equal(a, 40, b, 39));
    for (size_t i = 0; i < sizeof(b); i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            b[i] = (char)(b[i] ^ (1 << bit));
            EXPECT(!secret_equal(a, 40, b, 40));
            b[i] = (char)(b[i] ^ (1 << bit));
        }
    EXPECT(secret_equal(NULL, 0, NULL, 0));
    EXPECT(!secret_equal(NULL, 0, a, 1));
}

void test_secret_wipe_clears(void)
{
    char bytes[] = "whsec_abc";
    secret_wipe(bytes, sizeof(bytes));
    for (size_t i = 0; i < sizeof(bytes); i++)
        EXPECT(bytes[i] == 0);
    secret_wipe(NULL, 0);
}

void test_secret_copies_and_releases(void)
{
    char text[] = "k\0ey";
    struct secret s;
    secret_init(&s, str_of(text, 4));
    text[0] = 'X';
    EXPECT_STR(secret_str(&s), "k\0ey");
    secret_release(&s);
    EXPECT(s.bytes == NULL && s.n == 0);
    secret_release(&s);
    secret_init(&s, STR_NONE);
    EXPECT_EQ_UINT(s.n, 0);
    secret_release(&s);
}
