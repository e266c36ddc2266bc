#include "zaned/domain/registry.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"

static const char HUB[] = "docker.io";

/* What curl and the engine cannot read in another way than we do: no login, no escapes. */
static const char HOST_CHARS[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:[]";

static void tidy(char *host, const char *default_port)
{
    zn_lower(host);
    if (default_port && zn_ends_with(host, default_port))
        host[strlen(host) - strlen(default_port)] = '\0';
    if (zn_ends_with(host, ".docker.io") || strcmp(host, "hub.docker.com") == 0)
        memcpy(host, HUB, sizeof HUB);
}

void zn_image_registry(const char *image, char ret[ZN_REGISTRY_HOST])
{
    size_t n = strcspn(image, "/");

    /* As the engine reads it: the first part is a host if it looks like one. */
    if (image[n] && n < ZN_REGISTRY_HOST &&
        (memchr(image, '.', n) || memchr(image, ':', n) || zn_str_eq((struct zn_str){ image, n }, zn_str("localhost"))))
        snprintf(ret, ZN_REGISTRY_HOST, "%.*s", (int)n, image);
    else
        snprintf(ret, ZN_REGISTRY_HOST, "%s", HUB);
    tidy(ret, ":443");
}

bool zn_url_registry(const char *url, char ret[ZN_REGISTRY_HOST])
{
    bool tls = zn_starts_with(url, "https://");
    const char *host = url + (tls ? 8 : 7);
    size_t n;

    if (!tls && !zn_starts_with(url, "http://"))
        return false;
    n = strcspn(host, "/?#");
    if (!n || n >= ZN_REGISTRY_HOST || strspn(host, HOST_CHARS) < n)
        return false;
    snprintf(ret, ZN_REGISTRY_HOST, "%.*s", (int)n, host);
    tidy(ret, tls ? ":443" : ":80");
    return true;
}

bool zn_login_fits(const char *url, const char *image)
{
    char theirs[ZN_REGISTRY_HOST], of_image[ZN_REGISTRY_HOST];

    zn_image_registry(image, of_image);
    return zn_url_registry(url, theirs) && strcmp(theirs, of_image) == 0;
}
