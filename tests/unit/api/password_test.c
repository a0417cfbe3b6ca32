/* password_test.c -- what is kept of a password, and what fits it. */
#include "api/password.h"

#include "unit.h"

#define GOOD "correct horse battery"

void test_password_fits_itself_alone(void)
{
    char hash[PASSWORD_HASH_MAX], again[PASSWORD_HASH_MAX];
    struct reason why = {0};
    EXPECT_EQ_INT(password_hash(STR(GOOD), hash, &why), ERR_OK);
    EXPECT_EQ_INT(password_hash(STR(GOOD), again, &why), ERR_OK);
    EXPECT(str_starts(str_from_cstr(hash), STR("$argon2id$v=19$m=19456,t=2,p=1$")));
    EXPECT(strcmp(hash, again) != 0); /* a salt of its own */
    EXPECT(password_fits(hash, STR(GOOD)));
    EXPECT(!password_fits(hash, STR(GOOD " ")));
    EXPECT(!password_fits(hash, STR("")));
}

void test_password_of_nobody_fits_nothing(void)
{
    EXPECT(!password_fits("", STR(GOOD)));
    EXPECT(!password_fits("", STR("")));
    EXPECT(!password_fits("no hash at all", STR(GOOD)));
}

void test_password_has_bounds(void)
{
    char hash[PASSWORD_HASH_MAX], text[PASSWORD_BYTES_MAX + 1];
    struct reason why = {0};
    memset(text, 'x', sizeof(text));
    EXPECT_EQ_INT(password_hash(str_of(text, PASSWORD_BYTES_MIN - 1), hash, &why), ERR_INVALID);
    EXPECT_EQ_INT(password_hash(str_of(text, PASSWORD_BYTES_MAX + 1), hash, &why), ERR_INVALID);
    EXPECT_EQ_INT(password_hash(str_of(text, PASSWORD_BYTES_MAX), hash, &why), ERR_OK);
    EXPECT(password_fits(hash, str_of(text, PASSWORD_BYTES_MAX)));
    EXPECT(!password_fits(hash, str_of(text, PASSWORD_BYTES_MAX + 1)));
}
