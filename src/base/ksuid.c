/* ksuid.c -- base 62 by long division over five words of 32 bits; most significant digit first. */
#include "base/ksuid.h"

#define BYTES 20
#define EPOCH_S INT64_C(1400000000)

static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

static void put_big(uint8_t *out, uint64_t v, int n)
{
    for (int i = n - 1; i >= 0; i--, v >>= 8)
        out[i] = (uint8_t)v;
}

static uint64_t get_big(const uint8_t *in, int n)
{
    uint64_t v = 0;
    for (int i = 0; i < n; i++)
        v = v << 8 | in[i];
    return v;
}

/* Two rounds of a 64-bit finalizer (splitmix64): the digest tells ours from others', no more. */
static uint64_t mix(uint64_t x)
{
    for (int i = 0; i < 2; i++) {
        x += UINT64_C(0x9e3779b97f4a7c15);
        x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
        x ^= x >> 31;
    }
    return x;
}

static void bytes_of(uint64_t id, uint8_t out[BYTES])
{
    int64_t ms = id_wall_ms(id);
    put_big(out, (uint64_t)(ms / 1000 - EPOCH_S), 4);
    out[4] = (uint8_t)(ms % 1000 / 4);
    put_big(out + 5, id, 8);
    put_big(out + 13, mix(id), 7);
}

static void encode(const uint8_t bytes[BYTES], char out[KSUID_DIGITS])
{
    uint32_t words[BYTES / 4];
    for (int i = 0; i < BYTES / 4; i++)
        words[i] = (uint32_t)get_big(bytes + (ptrdiff_t)4 * i, 4);
    for (int at = KSUID_DIGITS - 1; at >= 0; at--) {
        uint64_t rest = 0;
        for (int i = 0; i < BYTES / 4; i++) {
            rest = rest << 32 | words[i];
            words[i] = (uint32_t)(rest / 62);
            rest %= 62;
        }
        out[at] = digits[rest];
    }
}

static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'Z')
        return c - 'A' + 10;
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 36;
    return -1;
}

/* False on another byte, and on what is greater than 20 bytes can hold. */
static bool decode(str text, uint8_t out[BYTES])
{
    uint32_t words[BYTES / 4] = {0};
    for (size_t at = 0; at < KSUID_DIGITS; at++) {
        int value = digit_value(text.p[at]);
        if (value < 0)
            return false;
        uint64_t carry = (uint64_t)value;
        for (int i = BYTES / 4 - 1; i >= 0; i--) {
            carry += (uint64_t)words[i] * 62;
            words[i] = (uint32_t)carry;
            carry >>= 32;
        }
        if (carry)
            return false;
    }
    for (int i = 0; i < BYTES / 4; i++)
        put_big(out + (ptrdiff_t)4 * i, words[i], 4);
    return true;
}

str ksuid_format(const char *prefix, uint64_t id, char out[KSUID_TEXT_MAX])
{
    uint8_t bytes[BYTES];
    size_t n = strlen(prefix);
    assert(n + KSUID_DIGITS < KSUID_TEXT_MAX && id <= INT64_MAX);
    memcpy(out, prefix, n);
    bytes_of(id, bytes);
    encode(bytes, out + n);
    out[n + KSUID_DIGITS] = '\0';
    return str_of(out, n + KSUID_DIGITS);
}

bool ksuid_is_form(const char *prefix, str text)
{
    uint8_t bytes[BYTES];
    str head = str_from_cstr(prefix);
    return str_starts(text, head) && text.n == head.n + KSUID_DIGITS &&
           decode(str_slice(text, head.n, text.n), bytes);
}

bool ksuid_parse(const char *prefix, str text, uint64_t *id)
{
    uint8_t bytes[BYTES], ours[BYTES];
    str head = str_from_cstr(prefix);
    if (!str_starts(text, head) || text.n != head.n + KSUID_DIGITS ||
        !decode(str_slice(text, head.n, text.n), bytes))
        return false;
    uint64_t found = get_big(bytes + 5, 8);
    if (found == 0 || found > INT64_MAX)
        return false;
    bytes_of(found, ours);
    if (memcmp(bytes, ours, BYTES) != 0)
        return false;
    *id = found;
    return true;
}
