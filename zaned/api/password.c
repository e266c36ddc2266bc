#include "zaned/api/password.h"

#include <ctype.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

enum { PASSWORD_MIN = 8, OPS = 2, MEMORY = 19 << 20 };

static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

const char *zn_password_weak(const char *password, const char *username)
{
    static const char *const common[] = { "password", "12345678", "qwertyui", "iloveyou",
                                          "letmein1", "admin123", "password1", "welcome1" };
    bool lower = false, upper = false, digit = false, other = false;
    char low[128];

    if (strlen(password) < PASSWORD_MIN)
        return "This password is too short. It must contain at least 8 characters.";
    for (const unsigned char *p = (const unsigned char *)password; *p; p++) {
        lower = lower || islower(*p);
        upper = upper || isupper(*p);
        digit = digit || isdigit(*p);
        other = other || !isalnum(*p);
    }
    if (lower + upper + digit + other < 2)
        return "This password must mix at least two kinds of characters (letters in lower and upper "
               "case, digits, others).";
    snprintf(low, sizeof low, "%s", password);
    zn_lower(low);
    for (size_t i = 0; i < sizeof common / sizeof *common; i++)
        if (strcmp(low, common[i]) == 0)
            return "This password is too common.";
    if (username && strlen(username) >= 4 && strcasestr(password, username))
        return "The password is too similar to the username.";
    return NULL;
}

int zn_password_hash(struct zn_arena *a, const char *password, const char **ret, struct zn_err *err)
{
    char *out = zn_arena_alloc(a, crypto_pwhash_STRBYTES);
    int r = -1;

    pthread_mutex_lock(&one_at_a_time);
    if (out)
        r = crypto_pwhash_str_alg(out, password, strlen(password), OPS, MEMORY,
                                  crypto_pwhash_ALG_ARGON2ID13);
    pthread_mutex_unlock(&one_at_a_time);
    if (r != 0)
        return zn_fail(err, ZN_UNAVAILABLE, "no memory to hash the password; try again");
    *ret = out;
    return 0;
}

bool zn_password_fits(const char *hash, const char *password)
{
    /* A hash of nothing that anybody knows, with our own parameters. */
    static const char nobody[] = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$"
                                 "qfJxTnMCBiRW5dBJcr3ShkV6XrBLTmJtqH0vVzYHqqg";
    int r;

    pthread_mutex_lock(&one_at_a_time);
    r = crypto_pwhash_str_verify(hash ? hash : nobody, password, strlen(password));
    pthread_mutex_unlock(&one_at_a_time);
    return hash && r == 0;
}
