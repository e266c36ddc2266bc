#include "zaned/domain/names.h"

#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "base/io.h"
#include "base/str.h"

enum { ID_LEN = 11, DOMAIN_RANDOM = 10, LABEL_MAX = 63 };

char *zn_new_id(struct zn_arena *a, const char *prefix)
{
    char id[64];

    zn_id(prefix, ID_LEN, id, sizeof id);
    return zn_arena_strdup(a, id);
}

const char *zn_id_part(const char *id)
{
    const char *tail = strrchr(id, '_');

    return tail ? tail + 1 : id;
}

char *zn_new_token(struct zn_arena *a)
{
    unsigned char raw[16];
    char hex[2 * sizeof raw + 1];

    zn_random(raw, sizeof raw);
    zn_hex(raw, sizeof raw, hex);
    return zn_arena_strdup(a, hex);
}

static void random_lower(unsigned n, char *ret, size_t size)
{
    zn_id("", n, ret, size);
    zn_lower(ret);
}

char *zn_new_slug(struct zn_arena *a)
{
    static const char *const adjectives[] = { "amber",  "brave", "calm",  "clear", "coral", "early",
                                              "fresh",  "gentle", "green", "happy", "keen",  "light",
                                              "lively", "lucky", "quiet", "swift" };
    static const char *const nouns[] = { "aspen", "birch",  "brook", "cedar",  "cliff", "creek",
                                         "delta", "falcon", "fjord", "harbor", "maple", "meadow",
                                         "otter", "river",  "robin", "summit" };
    unsigned char pick[2];
    char tail[8];

    zn_random(pick, sizeof pick);
    random_lower(4, tail, sizeof tail);
    return zn_arena_printf(a, "%s-%s-%s", adjectives[pick[0] % 16], nouns[pick[1] % 16], tail);
}

/* Copies a slug into a DNS label: underscores and blanks at the ends are not allowed there. */
static void label_part(const char *slug, size_t max, char *ret, size_t size)
{
    size_t n = 0;

    for (; *slug && n < max && n + 1 < size; slug++)
        if (*slug != '-' && *slug != '_')
            ret[n++] = *slug;
        else if (n && ret[n - 1] != '-')
            ret[n++] = '-';
    while (n && ret[n - 1] == '-')
        n--;
    ret[n] = '\0';
    zn_lower(ret);
}

char *zn_new_domain(struct zn_arena *a, const char *project, const char *service,
                    const char *root_domain)
{
    char p[LABEL_MAX + 1], s[LABEL_MAX + 1], rnd[DOMAIN_RANDOM + 2];
    size_t room;

    random_lower(DOMAIN_RANDOM, rnd, sizeof rnd);
    label_part(service, LABEL_MAX - DOMAIN_RANDOM - 2 - 8, s, sizeof s);
    room = LABEL_MAX - DOMAIN_RANDOM - 2 - strlen(s);
    label_part(project, room, p, sizeof p);
    return zn_arena_printf(a, "%s%s%s%s%s.%s", p, *p ? "-" : "", s, *s ? "-" : "", rnd,
                           root_domain);
}

char *zn_network_alias(struct zn_arena *a, const char *slug, const char *service_id)
{
    return zn_arena_printf(a, "zn-%s-%s", slug, zn_id_part(service_id));
}
