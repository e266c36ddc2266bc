/* Ships the build log: lines of deployments that wait in the database go to the log store, each once. */
#ifndef ZN_WORKFLOWS_LINES_H
#define ZN_WORKFLOWS_LINES_H

#include "zaned/logs/loki.h"
#include "zaned/store/store.h"

struct zn_lines { /* all borrowed */
    struct zn_store *store;
    struct zn_loki *loki;
};

struct zn_periodic;
/* One round, for zn_periodic: until no line waits. */
int zn_lines_ship(void *lines, struct zn_periodic *self, struct zn_err *err);

#endif
