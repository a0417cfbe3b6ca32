/* err.c -- the texts of the error codes, and filling a struct reason.
 *
 * A text that does not fit is cut at a character's beginning and ends in "...". Called where an
 * error is found; nothing is logged here. */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>

static const char *const err_texts[] = {
#define X(name, text) [ERR_##name] = text,
    ERRORS(X)
#undef X
};

static const char *const err_names[] = {
#define X(name, text) [ERR_##name] = #name,
    ERRORS(X)
#undef X
};

const char *err_text(enum err code)
{
    assert((size_t)code < ARRAY_LEN(err_texts));
    return err_texts[code];
}

const char *err_name(enum err code)
{
    assert((size_t)code < ARRAY_LEN(err_names));
    return err_names[code];
}

/* Ends a text of which only the first `room` bytes may stay. */
static void cut(char *text, size_t room)
{
    size_t end = room - 3;
    while (end > 0 && ((unsigned char)text[end] & 0xc0) == 0x80)
        end--;
    memcpy(text + end, "...", 4);
}

static size_t fill(struct reason *why, enum err code, const char *fmt, va_list args)
{
    /* fmt may print why->text itself, so the text is made elsewhere first. */
    char text[REASON_TEXT_MAX];
    int n = vsnprintf(text, sizeof(text), fmt, args);
    assert(n >= 0);
    if ((size_t)n >= sizeof(text))
        cut(text, sizeof(text) - 1);
    why->code = code;
    size_t len = strlen(text);
    memcpy(why->text, text, len + 1);
    return len;
}

enum err fail(struct reason *why, enum err code, const char *fmt, ...)
{
    va_list args;
    assert(code != ERR_OK);
    if (!why)
        return code;
    va_start(args, fmt);
    fill(why, code, fmt, args);
    va_end(args);
    return code;
}

enum err fail_errno(struct reason *why, enum err code, const char *fmt, ...)
{
    int saved = errno;
    va_list args;
    assert(code != ERR_OK);
    if (why) {
        va_start(args, fmt);
        size_t len = fill(why, code, fmt, args);
        va_end(args);
        char errno_text[128];
        const char *text = strerror_r(saved, errno_text, sizeof(errno_text));
        size_t room = sizeof(why->text) - len;
        int n = snprintf(why->text + len, room, ": %s", text);
        assert(n >= 0);
        if ((size_t)n >= room)
            cut(why->text, sizeof(why->text) - 1);
    }
    errno = saved;
    return code;
}
