/* Watches what runs: moves the status of production deployments between HEALTHY, UNHEALTHY, STARTING and
 * RESTARTING as their containers and health checks say. One thread for all of them; a row is written
 * only when its status or reason changes. It repairs nothing: restarting is the swarm's part. */
#ifndef ZN_WORKFLOWS_MONITOR_H
#define ZN_WORKFLOWS_MONITOR_H

#include "base/err.h"

struct zn_work;
struct zn_monitor;

/* w is borrowed and must outlive the monitor. */
int zn_monitor_start(struct zn_work *w, struct zn_monitor **ret, struct zn_err *err);
void zn_monitor_stop(struct zn_monitor *m); /* joins; NULL is fine */

#endif
