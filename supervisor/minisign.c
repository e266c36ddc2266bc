#include "supervisor/minisign.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "base/guard.h"
#include "base/str.h"

enum { ALGORITHM = 2, LINES = 4 };

static const char untrusted[] = "untrusted comment: ", trusted[] = "trusted comment: ";

/* The next line without its end ("\n" or "\r\n"); false behind the last one. */
static bool next_line(struct zn_str *rest, struct zn_str *ret)
{
    const char *end = rest->n ? memchr(rest->s, '\n', rest->n) : NULL;
    size_t n = end ? (size_t)(end - rest->s) : rest->n;

    if (!rest->n)
        return false;
    *ret = (struct zn_str){ rest->s, n && rest->s[n - 1] == '\r' ? n - 1 : n };
    rest->s += n + (end != NULL);
    rest->n -= n + (end != NULL);
    return true;
}

static bool begins(struct zn_str line, const char *with)
{
    return line.n >= strlen(with) && memcmp(line.s, with, strlen(with)) == 0;
}

/* A line of base64 that stands for exactly n bytes, written in the one way in which minisign writes it. */
static bool bytes_of(struct zn_str line, unsigned char *ret, size_t n)
{
    zn_auto_buf struct zn_buf b = ZN_BUF(256), again = ZN_BUF(256);

    if (!zn_base64_decode(line.s, line.n, &b) || b.failed || b.len != n)
        return false;
    zn_base64_add(&again, b.mem, b.len, false);
    if (again.failed || !zn_str_eq(line, (struct zn_str){ again.mem, again.len }))
        return false;
    memcpy(ret, b.mem, n);
    return true;
}

int zn_minisign_key_read(const char *text, size_t n, struct zn_minisign_key *ret, struct zn_err *err)
{
    struct zn_str rest = { text, n }, line;
    unsigned char raw[ALGORITHM + sizeof ret->id + sizeof ret->key];

    if (n > ZN_MINISIGN_TEXT || !next_line(&rest, &line))
        return zn_fail(err, ZN_INVALID, "a public key has one or two lines");
    if (begins(line, untrusted) && !next_line(&rest, &line))
        return zn_fail(err, ZN_INVALID, "line 2 of the public key is missing");
    if (!bytes_of(line, raw, sizeof raw) || memcmp(raw, "Ed", ALGORITHM) != 0)
        return zn_fail(err, ZN_INVALID, "the public key is not one of minisign's: %zu bytes in base64", sizeof raw);
    memcpy(ret->id, raw + ALGORITHM, sizeof ret->id);
    memcpy(ret->key, raw + ALGORITHM + sizeof ret->id, sizeof ret->key);
    return 0;
}

static int read_signature(struct zn_str line, struct zn_minisign *ret, struct zn_err *err)
{
    unsigned char raw[ALGORITHM + sizeof ret->id + sizeof ret->signature];

    if (!bytes_of(line, raw, sizeof raw))
        return zn_fail(err, ZN_INVALID, "line 2 of the signature is not %zu bytes in base64", sizeof raw);
    if (memcmp(raw, "Ed", ALGORITHM) == 0)
        return zn_fail(err, ZN_INVALID, "the signature is of minisign's old kind (-l), which is not accepted");
    if (memcmp(raw, "ED", ALGORITHM) != 0)
        return zn_fail(err, ZN_INVALID, "the signature's algorithm is unknown");
    memcpy(ret->id, raw + ALGORITHM, sizeof ret->id);
    memcpy(ret->signature, raw + ALGORITHM + sizeof ret->id, sizeof ret->signature);
    return 0;
}

int zn_minisign_read(const char *text, size_t n, struct zn_minisign *ret, struct zn_err *err)
{
    struct zn_str rest = { text, n }, line[LINES];

    if (n > ZN_MINISIGN_TEXT)
        return zn_fail(err, ZN_INVALID, "the signature is longer than %d bytes", ZN_MINISIGN_TEXT);
    for (int i = 0; i < LINES; i++)
        if (!next_line(&rest, &line[i]))
            return zn_fail(err, ZN_INVALID, "line %d of the signature is missing", i + 1);
    if (rest.n)
        return zn_fail(err, ZN_INVALID, "something stands behind the four lines of the signature");
    if (!begins(line[0], untrusted))
        return zn_fail(err, ZN_INVALID, "line 1 of the signature does not begin with \"%s\"", untrusted);
    if (read_signature(line[1], ret, err) < 0)
        return -1;
    if (!begins(line[2], trusted))
        return zn_fail(err, ZN_INVALID, "line 3 of the signature does not begin with \"%s\"", trusted);
    ret->comment_len = line[2].n - strlen(trusted);
    if (ret->comment_len > ZN_MINISIGN_COMMENT || memchr(line[2].s, '\0', line[2].n))
        return zn_fail(err, ZN_INVALID, "the trusted comment is longer than %d bytes, or no text", ZN_MINISIGN_COMMENT);
    memcpy(ret->comment, line[2].s + strlen(trusted), ret->comment_len);
    ret->comment[ret->comment_len] = '\0';
    if (!bytes_of(line[3], ret->global, sizeof ret->global))
        return zn_fail(err, ZN_INVALID, "line 4 of the signature is not %zu bytes in base64", sizeof ret->global);
    return 0;
}

/* As minisign shows it: the id is a number, its lowest byte first. */
static void name_of(const unsigned char id[ZN_MINISIGN_ID], char ret[2 * ZN_MINISIGN_ID + 1])
{
    for (int i = 0; i < ZN_MINISIGN_ID; i++)
        snprintf(ret + 2 * i, 3, "%02X", id[ZN_MINISIGN_ID - 1 - i]);
}

int zn_minisign_verify(const struct zn_minisign *s, const struct zn_minisign_key *keys, size_t nkeys,
                       const unsigned char hash[ZN_MINISIGN_HASH], struct zn_err *err)
{
    unsigned char both[sizeof s->signature + ZN_MINISIGN_COMMENT];
    const struct zn_minisign_key *k = NULL;
    char name[2 * ZN_MINISIGN_ID + 1];

    for (size_t i = 0; i < nkeys && !k; i++)
        if (memcmp(keys[i].id, s->id, sizeof s->id) == 0)
            k = &keys[i];
    name_of(s->id, name);
    if (!k)
        return zn_fail(err, ZN_DENIED, "signed with key %s, which is not trusted here", name);
    if (crypto_sign_verify_detached(s->signature, hash, ZN_MINISIGN_HASH, k->key) != 0)
        return zn_fail(err, ZN_DENIED, "the file is not the one that key %s signed", name);
    memcpy(both, s->signature, sizeof s->signature);
    memcpy(both + sizeof s->signature, s->comment, s->comment_len);
    if (crypto_sign_verify_detached(s->global, both, sizeof s->signature + s->comment_len, k->key) != 0)
        return zn_fail(err, ZN_DENIED, "the trusted comment was changed after key %s signed it", name);
    return 0;
}
