/* password.c -- the only door to libargon2. The costs are the first choice of the OWASP
 * recommendation for servers: 19 MiB, two passes, one lane. */
#include "api/password.h"

#include "base/rand.h"

#include <argon2.h>

#define PASSES 2
#define MEMORY_KIB (19 * 1024)
#define LANES 1
#define SALT_BYTES 16
#define HASH_BYTES 32

enum err password_hash(str password, char out[PASSWORD_HASH_MAX], struct reason *why)
{
    uint8_t salt[SALT_BYTES];
    if (password.n < PASSWORD_BYTES_MIN || password.n > PASSWORD_BYTES_MAX)
        return fail(why, ERR_INVALID, "a password has %d to %d bytes", PASSWORD_BYTES_MIN,
                    PASSWORD_BYTES_MAX);
    rand_bytes(salt, sizeof(salt));
    int code = argon2id_hash_encoded(PASSES, MEMORY_KIB, LANES, password.p, password.n, salt,
                                     sizeof(salt), HASH_BYTES, out, PASSWORD_HASH_MAX);
    return code == ARGON2_OK ? ERR_OK : fail(why, ERR_NOMEM, "%s", argon2_error_message(code));
}

bool password_fits(const char *hash, str password)
{
    /* Of nobody's password: a salt and a hash of zeros. */
    static const char nobody[] = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$"
                                 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    bool known = hash[0] != 0;
    str text = password.n > PASSWORD_BYTES_MAX ? STR("") : password;
    return argon2id_verify(known ? hash : nobody, text.p, text.n) == ARGON2_OK && known;
}
