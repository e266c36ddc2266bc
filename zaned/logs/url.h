/* Base addresses of the services that logs go to and come from: "http://host[:port]". */
#ifndef ZN_LOGS_URL_H
#define ZN_LOGS_URL_H

#include "base/err.h"

enum { ZN_URL_HOST_MAX = 254 };

struct zn_url {
    char host[ZN_URL_HOST_MAX];
    int port;
};

int zn_url_parse(const char *text, struct zn_url *ret, struct zn_err *err);

#endif
