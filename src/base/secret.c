/* secret.c -- memory for secrets: compared in constant time, wiped before it is freed. */
#include "base/secret.h"

#include "base/log.h"

void secret_init(struct secret *s, str bytes)
{
    s->bytes = xmalloc(bytes.n);
    s->n = bytes.n;
    if (bytes.n)
        memcpy(s->bytes, bytes.p, bytes.n);
}

void secret_release(struct secret *s)
{
    secret_wipe(s->bytes, s->n);
    free(s->bytes);
    *s = (struct secret){0};
}

bool secret_equal(const void *a, size_t a_n, const void *b, size_t b_n)
{
    const unsigned char *x = a, *y = b;
    uint64_t differ = 0, one, other;
    size_t i = 0;
    if (a_n != b_n)
        return false;
    for (; i + sizeof(one) <= a_n; i += sizeof(one)) {
        memcpy(&one, x + i, sizeof(one));
        memcpy(&other, y + i, sizeof(other));
        differ |= one ^ other;
        /* The compiler must not know what is in it, or it could leave the loop early. */
        __asm__ volatile("" : "+r"(differ));
    }
    for (; i < a_n; i++) {
        differ |= (uint64_t)(x[i] ^ y[i]);
        __asm__ volatile("" : "+r"(differ));
    }
    return differ == 0;
}

void secret_wipe(void *p, size_t n)
{
    if (p && n)
        explicit_bzero(p, n);
}
