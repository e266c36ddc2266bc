/* Any bytes as a signature and as a key: refused, or read whole; what was not signed is never taken. */
#include <stdint.h>
#include <string.h>

#include "supervisor/minisign.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct zn_minisign s;
    static const unsigned char hash[ZN_MINISIGN_HASH] = { 1 };
    struct zn_minisign_key k = { .key = { 9 } };
    struct zn_err err = { 0 };

    if (zn_minisign_key_read((const char *)data, size, &k, &err) < 0 && (err.code != ZN_INVALID || !err.msg[0]))
        __builtin_trap();
    memset(&err, 0, sizeof err);
    if (zn_minisign_read((const char *)data, size, &s, &err) == 0) {
        if (s.comment_len > ZN_MINISIGN_COMMENT || strlen(s.comment) != s.comment_len)
            __builtin_trap();
        memcpy(k.id, s.id, sizeof k.id);
        if (zn_minisign_verify(&s, &k, 1, hash, &err) == 0 || err.code != ZN_DENIED)
            __builtin_trap();
    } else if (err.code != ZN_INVALID || !err.msg[0]) {
        __builtin_trap();
    }
    return 0;
}
