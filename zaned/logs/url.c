#include "zaned/logs/url.h"

#include "base/str.h"

int zn_url_parse(const char *text, struct zn_url *ret, struct zn_err *err)
{
    const char *host = text + strlen("http://");
    size_t n;
    long long port = 80;

    if (!zn_starts_with(text, "http://"))
        return zn_fail(err, ZN_INVALID, "%.200s: not http://host[:port]", text);
    n = strcspn(host, ":/");
    if (!n || n >= sizeof ret->host ||
        (host[n] == ':' && !zn_parse_i64(host + n + 1, 1, 65535, &port)) ||
        (host[n] == '/' && host[n + 1]))
        return zn_fail(err, ZN_INVALID, "%.200s: not http://host[:port]", text);
    memcpy(ret->host, host, n);
    ret->host[n] = '\0';
    ret->port = (int)port;
    return 0;
}
