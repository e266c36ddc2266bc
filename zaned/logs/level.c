/* Levels that lines state about themselves. Looks at the head of the line only, and only at forms that
 * programs use on purpose, so that "0 errors found" stays INFO. */
#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

#include "zaned/logs/text.h"

enum { HEAD = 200 };

static const struct {
    const char *word;
    enum zn_log_level level;
} words[] = {
    { "error", ZN_LEVEL_ERROR },     { "err", ZN_LEVEL_ERROR },     { "fatal", ZN_LEVEL_ERROR },
    { "critical", ZN_LEVEL_ERROR },  { "crit", ZN_LEVEL_ERROR },    { "panic", ZN_LEVEL_ERROR },
    { "emerg", ZN_LEVEL_ERROR },     { "alert", ZN_LEVEL_ERROR },   { "severe", ZN_LEVEL_ERROR },
    { "warning", ZN_LEVEL_WARN },    { "warn", ZN_LEVEL_WARN },     { "info", ZN_LEVEL_INFO },
    { "notice", ZN_LEVEL_INFO },     { "information", ZN_LEVEL_INFO }, { "log", ZN_LEVEL_INFO },
    { "debug", ZN_LEVEL_DEBUG },     { "trace", ZN_LEVEL_DEBUG },   { "verbose", ZN_LEVEL_DEBUG },
};

static bool word_level(const char *s, size_t n, enum zn_log_level *ret)
{
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i].word) == n && strncasecmp(words[i].word, s, n) == 0) {
            *ret = words[i].level;
            return true;
        }
    return false;
}

static size_t word_len(const char *s, size_t n)
{
    size_t k = 0;

    while (k < n && isalpha((unsigned char)s[k]))
        k++;
    return k;
}

/* The numbers of bunyan and pino: 10 trace … 60 fatal. */
static bool number_level(const char *s, size_t n, enum zn_log_level *ret)
{
    if (n < 2 || s[0] < '1' || s[0] > '6' || s[1] != '0' || (n > 2 && isdigit((unsigned char)s[2])))
        return false;
    *ret = s[0] >= '5' ? ZN_LEVEL_ERROR : s[0] == '4' ? ZN_LEVEL_WARN
                                      : s[0] == '3' ? ZN_LEVEL_INFO : ZN_LEVEL_DEBUG;
    return true;
}

/* level=warn, "level": "warn", severity=…, lvl=… : the key's name ends at s + n. */
static bool is_key(const char *s, size_t n)
{
    return (n == 5 && strncasecmp(s, "level", 5) == 0) || (n == 3 && strncasecmp(s, "lvl", 3) == 0) ||
           (n == 8 && strncasecmp(s, "severity", 8) == 0) ||
           (n == 8 && strncasecmp(s, "loglevel", 8) == 0);
}

static bool value_level(const char *s, size_t n, enum zn_log_level *ret)
{
    size_t i = 0;

    if (i < n && s[i] == '"')
        i++;
    while (i < n && s[i] == ' ')
        i++;
    if (i >= n || (s[i] != '=' && s[i] != ':'))
        return false;
    i++;
    while (i < n && (s[i] == ' ' || s[i] == '"'))
        i++;
    return word_level(s + i, word_len(s + i, n - i), ret) || number_level(s + i, n - i, ret);
}

/* A word counts in capitals, in brackets, or as the first word before a colon. */
static bool stands_out(const char *s, size_t at, size_t k, size_t n)
{
    bool capitals = true;

    for (size_t i = at; i < at + k; i++)
        capitals = capitals && isupper((unsigned char)s[i]);
    if (capitals)
        return true;
    if (at && (s[at - 1] == '[' || s[at - 1] == '<' || s[at - 1] == '(') && at + k < n)
        return s[at + k] == ']' || s[at + k] == '>' || s[at + k] == ')';
    return at == 0 && at + k < n && s[k] == ':';
}

enum zn_log_level zn_log_level(const char *s, size_t n, bool is_stderr)
{
    enum zn_log_level level;
    size_t at = 0;

    if (n > HEAD)
        n = HEAD;
    while (at < n) {
        size_t k = word_len(s + at, n - at);
        if (!k) {
            at++;
            continue;
        }
        bool starts = at == 0 || (s[at - 1] != '_' && !isdigit((unsigned char)s[at - 1]));
        bool ends = at + k >= n || (s[at + k] != '_' && !isdigit((unsigned char)s[at + k]));
        if (starts && ends && is_key(s + at, k) && value_level(s + at + k, n - at - k, &level))
            return level;
        if (starts && ends && s[0] != '{' && stands_out(s, at, k, n) &&
            word_level(s + at, k, &level))
            return level;
        at += k;
    }
    return is_stderr ? ZN_LEVEL_ERROR : ZN_LEVEL_INFO;
}

const char *zn_log_level_name(enum zn_log_level level)
{
    static const char *const names[] = { "ERROR", "WARN", "INFO", "DEBUG" };

    return names[level];
}
