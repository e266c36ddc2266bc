/* Prints the daemon's route table: method, path and scope of each route, a line each. */
#include <stdio.h>

#include "zaned/api/api.h"

int main(void)
{
    static const char *const scopes[] = { "PUBLIC", "INGEST", "SESSION", "GUEST", "MEMBER",
                                          "ADMIN",  "OWNER",  "SUPERUSER" };

    for (size_t t = 0; t < zn_all_nroutes; t++)
        for (size_t i = 0; i < *zn_all_routes[t].n; i++) {
            const struct zn_route *r = &zn_all_routes[t].routes[i];

            printf("%s %s %s\n", r->method, r->path, scopes[r->scope]);
        }
    return 0;
}
