/* Service specs of the components (docs/internals.md, "Components"). Pure: no engine, no clock. */
#ifndef ZN_SUPERVISOR_BOOT_SPEC_H
#define ZN_SUPERVISOR_BOOT_SPEC_H

#include <jansson.h>

#include "supervisor/component.h"
#include "supervisor/config.h"
#include "supervisor/secrets.h"

enum { ZN_SPEC_HASH = 20 };

/* What specs need beside the component table; all borrowed. Secrets carry their engine ids. */
struct zn_spec_facts {
    const struct zn_config *config;
    const struct zn_secrets *secrets;
    const char *image;   /* id, "sha256:…" */
    const char *version; /* of the platform */
    unsigned engine_gid; /* group of the engine's socket */
    int api;             /* minor API version of the engine */
};

/* Body of POST /services/create. A new reference; its label zane.spec is the hash of all the rest, so
 * two specs differ exactly when their hashes do. NULL only when out of memory. */
json_t *zn_spec_component(enum zn_component_id id, const struct zn_spec_facts *f,
                          char hash[ZN_SPEC_HASH]);
/* The one-shot service zn-migrate. */
json_t *zn_spec_migration(const struct zn_spec_facts *f);
/* The app that the gate looks at: the image `example` on zn-edge, logging as a user's service does. It shows run. */
#define ZN_CANARY "zn-canary" /* the service, and where its lines are in the log store */
json_t *zn_spec_canary(const struct zn_spec_facts *f, const char *run);

#endif
