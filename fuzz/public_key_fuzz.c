/* public_key_fuzz.c -- any bytes as a key: PEM, DER, JWK, X.509, raw. What is taken for one judges
 * any signature without an accident, and a key that signs is believed by nobody but itself. Input:
 * a byte that picks the form, the key, and behind its last NUL byte a signature. */
#include "verify/public_key.h"

#define NOW_MS 1795443390000

static struct public_key *read_key(unsigned form, bool signing, int64_t now_ms, str bytes)
{
    struct reason why = {.text = ""};
    struct public_key *k = NULL;
    if (form == 0)
        k = public_key_pem(bytes, signing, now_ms, &why);
    else if (form == 1)
        k = public_key_der(bytes, signing, &why);
    else if (form == 2)
        k = public_key_ed25519(bytes, signing, &why);
    else {
        struct json_doc *d = json_parse(bytes, NULL);
        if (!d)
            return NULL;
        k = public_key_jwk(json_root(d), &why);
        json_doc_free(d);
    }
    assert(k || why.text[0]);
    return k;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum signing ways[] = {SIGNING_RSA, SIGNING_RSA_PSS, SIGNING_ECDSA_DER,
                                        SIGNING_ECDSA_RAW, SIGNING_ED25519};
    if (size < 2 || size > 16384)
        return 0;
    size_t end = size;
    while (end > 1 && data[end - 1])
        end--;
    str bytes = str_of((const char *)data + 1, end > 1 ? end - 2 : size - 1);
    str signature = str_of((const char *)data + end, end > 1 ? size - end : 0);
    bool signing = data[0] & 4;
    struct public_key *k = read_key(data[0] & 3, signing, data[0] & 8 ? NOW_MS : 0, bytes);
    if (!k)
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        uint8_t made[PUBLIC_SIGNATURE_MAX];
        assert(!public_key_verify(k, ways[i], DIGEST_SHA256, STR("what nobody signed"), signature));
        size_t n = signing ? public_key_sign(k, ways[i], DIGEST_SHA256, STR("text"), made) : 0;
        assert(n <= sizeof(made));
    }
    public_key_free(k);
    return 0;
}
