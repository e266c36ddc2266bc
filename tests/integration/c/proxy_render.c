/* Prints the proxy's configuration for what stands on standard input:
 * {"app_domain", "root_domain", "edge_dir", "api", "services": [{service_id, hash, slot, host, urls}]} */
#include <stdio.h>
#include <stdlib.h>

#include "base/guard.h"
#include "zaned/proxy/config.h"

int main(void)
{
    zn_auto_json in = json_loadf(stdin, 0, NULL);
    zn_auto_json out = NULL;
    json_t *list = json_object_get(in, "services"), *s;
    size_t i, n = json_array_size(list);
    zn_auto_mem struct zn_route_service *all = calloc(n + 1, sizeof *all);
    struct zn_proxy_opts o = { zn_json_str(in, "app_domain", ""), zn_json_str(in, "root_domain", ""),
                               zn_json_str(in, "edge_dir", ""), zn_json_str(in, "api", "") };
    struct zn_err err = { 0 };

    json_array_foreach (list, i, s)
        all[i] = (struct zn_route_service){ zn_json_str(s, "service_id", ""), zn_json_str(s, "hash", ""),
                                            zn_json_str(s, "slot", ""), zn_json_str(s, "host", ""),
                                            json_object_get(s, "urls") };
    if (!in || zn_proxy_render(&o, all, n, &out, &err) < 0) {
        fprintf(stderr, "%s\n", err.msg);
        return 1;
    }
    json_dumpf(out, stdout, JSON_INDENT(1));
    return 0;
}
