/* Error codes and reasons. */
#include "unit.h"

#include <errno.h>

void test_err_every_code_has_a_name_and_a_text(void)
{
    EXPECT_CSTR(err_name(ERR_OK), "OK");
    EXPECT_CSTR(err_name(ERR_NOMEM), "NOMEM");
    EXPECT_CSTR(err_text(ERR_INVALID), "malformed input");
    for (int code = ERR_OK; code <= ERR_NOMEM; code++)
        EXPECT(*err_name((enum err)code) && *err_text((enum err)code));
}

void test_err_fail_fills_and_returns(void)
{
    struct reason why = {0};
    EXPECT_EQ_INT(fail(&why, ERR_LIMIT, "%d bytes are too many", 7), ERR_LIMIT);
    EXPECT_EQ_INT(why.code, ERR_LIMIT);
    EXPECT_CSTR(why.text, "7 bytes are too many");
    EXPECT_EQ_INT(fail(NULL, ERR_IO, "nobody reads %s", "this"), ERR_IO);
}

void test_err_fail_may_print_the_former_reason(void)
{
    struct reason why = {0};
    fail(&why, ERR_IO, "the disk is full");
    fail(&why, ERR_FULL, "cannot store the event: %s", why.text);
    EXPECT_CSTR(why.text, "cannot store the event: the disk is full");
}

void test_err_a_long_text_is_cut_at_a_character(void)
{
    char text[2 * REASON_TEXT_MAX];
    struct reason why;
    for (size_t shift = 0; shift < 2; shift++) {
        memset(text, 'a', sizeof(text));
        for (size_t i = shift; i + 2 < sizeof(text); i += 2)
            memcpy(text + i, "\xc3\xa9", 2);
        text[sizeof(text) - 1] = '\0';
        fail(&why, ERR_INVALID, "%s", text);
        size_t n = strlen(why.text);
        EXPECT(n < REASON_TEXT_MAX && n > REASON_TEXT_MAX - 8);
        EXPECT_CSTR(why.text + n - 3, "...");
        /* A whole two-byte character stands before the dots. */
        EXPECT((unsigned char)why.text[n - 4] == 0xa9);
    }
}

void test_err_fail_errno_says_what_the_system_said(void)
{
    struct reason why;
    errno = ENOENT;
    EXPECT_EQ_INT(fail_errno(&why, ERR_NOT_FOUND, "cannot open %s", "x"), ERR_NOT_FOUND);
    EXPECT_CSTR(why.text, "cannot open x: No such file or directory");
    EXPECT_EQ_INT(errno, ENOENT);
    char text[REASON_TEXT_MAX];
    memset(text, 'a', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    fail_errno(&why, ERR_IO, "%s", text);
    EXPECT(strlen(why.text) < REASON_TEXT_MAX);
    EXPECT_EQ_INT(fail_errno(NULL, ERR_IO, "x"), ERR_IO);
}
