/* The primitives against the examples of their standards. */
#include "unit.h"

#include "base/codec.h"
#include "verify/public_key.h"
#include "verify/sign.h"

static void unhex(const char *hex, uint8_t *out, size_t bytes)
{
    size_t n;
    EXPECT(hex_decode(str_from_cstr(hex), out, bytes, &n) && n == bytes);
}

static void expect_hex(const uint8_t *bytes, size_t n, const char *hex)
{
    char text[2 * DIGEST_BYTES_MAX];
    hex_encode(bytes, n, text);
    EXPECT_EQ_STR(str_of(text, 2 * n), str_from_cstr(hex));
}

/* FIPS 180-4 and RFC 1321: "abc". */
void test_crypto_digests_of_abc(void)
{
    static const char *const expected[DIGESTS] = {
        "900150983cd24fb0d6963f7d28e17f72", "a9993e364706816aba3e25717850c26c9cd0d89d",
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
        "8086072ba1e7cc2358baeca134c825a7",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
        "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"};
    uint8_t out[DIGEST_BYTES_MAX];
    for (size_t i = 0; i < DIGESTS; i++) {
        digest_of((enum digest)i, STR("abc"), out);
        expect_hex(out, digest_bytes((enum digest)i), expected[i]);
        struct hasher *h = hasher_new((enum digest)i);
        for (int round = 0; round < 2; round++) {
            hasher_begin(h);
            hasher_add(h, STR("a"));
            hasher_add(h, STR(""));
            hasher_add(h, STR("bc"));
            hasher_end(h, out);
            expect_hex(out, digest_bytes((enum digest)i), expected[i]);
        }
        hasher_free(h);
    }
}

void test_crypto_mac_begins_again_under_its_key(void)
{
    const char *expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    uint8_t out[DIGEST_BYTES_MAX];
    struct mac *m = mac_new(DIGEST_SHA256, STR("Jefe"));
    for (int round = 0; round < 3; round++) {
        mac_begin(m);
        mac_add(m, STR("what do ya want "));
        mac_add(m, STR("for nothing?"));
        mac_end(m, out);
        expect_hex(out, 32, expected);
        /* One that was begun and left, as when a reference had no value. */
        mac_begin(m);
        mac_add(m, STR("left alone"));
    }
    mac_free(m);
    sign_hmac_sha256(STR("Jefe"), STR("what do ya want for nothing?"), out);
    expect_hex(out, 32, expected);
}

/* RFC 8032 section 7.1, test 2. */
void test_crypto_ed25519_of_rfc8032(void)
{
    uint8_t seed[32], public[32], right[64], made[PUBLIC_SIGNATURE_MAX];
    unhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb", seed, 32);
    unhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", public, 32);
    unhex("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
          "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
          right, 64);
    struct public_key *secret = public_key_ed25519(str_of((char *)seed, 32), true, NULL);
    struct public_key *k = public_key_ed25519(str_of((char *)public, 32), false, NULL);
    EXPECT(secret && k);
    EXPECT(public_key_sign(secret, SIGNING_ED25519, 0, STR("\x72"), made) == 64);
    EXPECT(memcmp(made, right, 64) == 0);
    EXPECT(public_key_verify(k, SIGNING_ED25519, 0, STR("\x72"), str_of((char *)right, 64)));
    EXPECT(!public_key_verify(k, SIGNING_ED25519, 0, STR("\x73"), str_of((char *)right, 64)));
    EXPECT(!public_key_verify(k, SIGNING_ED25519, 0, STR("\x72"), str_of((char *)right, 63)));
    EXPECT(!public_key_verify(k, SIGNING_ED25519, 0, STR("\x72"), STR("")));
    EXPECT(!public_key_verify(k, SIGNING_RSA, 0, STR("\x72"), str_of((char *)right, 64)));
    right[10] ^= 1;
    EXPECT(!public_key_verify(k, SIGNING_ED25519, 0, STR("\x72"), str_of((char *)right, 64)));
    public_key_free(secret);
    public_key_free(k);
}

/* NIST SP 800-38A, F.2.1; and what a stranger may send. */
void test_crypto_aes128_cbc_of_sp_800_38a(void)
{
    uint8_t key[16], iv[16], plain[16], sealed[32], back[48];
    size_t n;
    unhex("2b7e151628aed2a6abf7158809cf4f3c", key, 16);
    unhex("000102030405060708090a0b0c0d0e0f", iv, 16);
    unhex("6bc1bee22e409f96e93d7e117393172a", plain, 16);
    EXPECT(aes128_cbc(true, key, iv, str_of((char *)plain, 16), sealed, &n) && n == 32);
    expect_hex(sealed, 16, "7649abac8119b246cee98e9b12e9197d");
    EXPECT(aes128_cbc(false, key, iv, str_of((char *)sealed, 32), back, &n) && n == 16);
    EXPECT(memcmp(back, plain, 16) == 0);
    EXPECT(!aes128_cbc(false, key, iv, str_of((char *)sealed, 31), back, &n));
    EXPECT(!aes128_cbc(false, key, iv, str_of((char *)sealed, 16), back, &n));
    EXPECT(!aes128_cbc(false, key, iv, STR(""), back, &n));
    key[0] ^= 1;
    EXPECT(!aes128_cbc(false, key, iv, str_of((char *)sealed, 32), back, &n) ||
           memcmp(back, plain, 16) != 0);
}
