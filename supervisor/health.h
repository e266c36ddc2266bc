/* The platform's state as JSON. Documents are new references. */
#ifndef ZN_SUPERVISOR_HEALTH_H
#define ZN_SUPERVISOR_HEALTH_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "supervisor/supervisor.h"

/* Health of a component with the time of its last change, which the state machine does not keep. */
struct zn_health_since {
    enum zn_health state;
    int64_t at_ns; /* wall clock; 0 = never changed since the supervisor started */
};

/* GET /v1/health. since has ZN_C_MAX entries; collector: who accepts log connections, or NULL. */
json_t *zn_health_json(const struct zn_supervisor *s, const struct zn_health_since *since,
                       const char *collector);

/* One entry of components[] there. */
json_t *zn_health_component(const struct zn_supervisor *s, unsigned component,
                            const struct zn_health_since *since);

/* GET /v1/components/{id}: the same with history[] and last_lines[]. */
json_t *zn_health_detail(const struct zn_supervisor *s, unsigned component,
                         const struct zn_health_since *since);

/* The members of the whole platform without components and issues. */
json_t *zn_health_platform(const struct zn_supervisor *s, const char *collector);

/* GET /status.json: what any visitor may see. No log lines, image ids, versions or memory. */
json_t *zn_health_public(const struct zn_supervisor *s);

/* How many of the wanted components are ready. */
void zn_health_count(const struct zn_supervisor *s, unsigned *ready, unsigned *wanted);

#endif
