/* worker_echo.c -- the smallest worker: answers ok to every line, as many at a time as came in.
 * Started by worker_bench. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_BYTES_MAX 65536

static char in[4 * LINE_BYTES_MAX], out[LINE_BYTES_MAX];

static int flush(size_t n)
{
    for (size_t sent = 0; sent < n;) {
        ssize_t w = write(1, out + sent, n - sent);
        if (w <= 0)
            return 0;
        sent += (size_t)w;
    }
    return 1;
}

/* The digits of the first member, "id". */
static size_t answer(const char *line, size_t at)
{
    size_t digits = strspn(line + strlen("{\"id\":"), "0123456789");
    int n = snprintf(out + at, sizeof(out) - at, "{\"id\":%.*s,\"ok\":true}\n", (int)digits,
                     line + strlen("{\"id\":"));
    return at + (size_t)n;
}

int main(void)
{
    size_t have = 0;
    ssize_t n;
    while ((n = read(0, in + have, sizeof(in) - 1 - have)) > 0) {
        have += (size_t)n;
        in[have] = '\0';
        size_t from = 0, filled = 0;
        const char *end;
        while ((end = memchr(in + from, '\n', have - from)) != NULL) {
            filled = answer(in + from, filled);
            from = (size_t)(end - in) + 1;
            if (filled > sizeof(out) - 64) {
                if (!flush(filled))
                    return 1;
                filled = 0;
            }
        }
        if (!flush(filled))
            return 1;
        memmove(in, in + from, have - from);
        have -= from;
    }
    return 0;
}
