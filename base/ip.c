#include "base/ip.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

bool zn_ipv4_last_host(const char *subnet, unsigned back, char ret[ZN_IPV4_LEN])
{
    const char *slash = strchr(subnet, '/');
    char text[ZN_IPV4_LEN];
    struct in_addr a;
    long long bits;

    if (!slash || (size_t)(slash - subnet) >= sizeof text || !zn_parse_i64(slash + 1, 8, 29, &bits))
        return false;
    snprintf(text, sizeof text, "%.*s", (int)(slash - subnet), subnet);
    if (inet_pton(AF_INET, text, &a) != 1)
        return false;
    uint32_t hosts = (UINT32_C(1) << (32 - bits)) - 1;
    if (back > hosts - 3)
        return false;
    a.s_addr = htonl((ntohl(a.s_addr) | hosts) - 1 - back);
    return inet_ntop(AF_INET, &a, ret, ZN_IPV4_LEN) != NULL;
}
