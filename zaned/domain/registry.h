/* Which registry an image comes from, and which one a login is for. */
#ifndef ZN_DOMAIN_REGISTRY_H
#define ZN_DOMAIN_REGISTRY_H

#include <stdbool.h>

enum { ZN_REGISTRY_HOST = 256 };

/* "host" or "host:port" of a registry in lower case: the port that goes without saying is left out, and
 * every name of the Docker Hub is "docker.io". */
void zn_image_registry(const char *image, char ret[ZN_REGISTRY_HOST]);
/* The same of "http[s]://host[:port][/…]"; false if that is none. */
bool zn_url_registry(const char *url, char ret[ZN_REGISTRY_HOST]);

/* Whether a login that was stored for url may be shown to the registry of image. */
bool zn_login_fits(const char *url, const char *image);

#endif
