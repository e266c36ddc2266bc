/* Client of a Temporal frontend: start, signal, cancel, read. All calls block, have a deadline, retry
 * by status code with the official SDKs' figures, and are safe from any thread. Texts have at most
 * 255 bytes, reasons 1,000, an input 2 MiB as JSON; ZN_INVALID names the one that is over. */
#ifndef ZT_CLIENT_H
#define ZT_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct zt_client;
struct zt_grpc;

struct zt_client_config { /* all texts are copied */
    const char *target;   /* "host:port" */
    const char *namespace_;
    const char *identity, *client_name, *client_version;
};

/* No connection is made here. Owner: the caller. */
int zt_client_open(const struct zt_client_config *cfg, struct zt_client **ret, struct zn_err *err);
void zt_client_close(struct zt_client *c); /* NULL is fine */
struct zt_grpc *zt_client_grpc(struct zt_client *c);
const char *zt_client_namespace(struct zt_client *c);
const char *zt_client_identity(struct zt_client *c);

/* GetSystemInfo within deadline_ms, no retry: the liveness test. */
int zt_client_ping(struct zt_client *c, int64_t deadline_ms, struct zn_err *err);
/* Registers the namespace if absent and waits (20 s) until the server knows it. */
int zt_client_ensure_namespace(struct zt_client *c, int64_t retention_s, struct zn_err *err);

enum zt_reuse { ZT_REUSE_ALLOW = 1, ZT_REUSE_FAILED_ONLY = 2, ZT_REUSE_REJECT = 3 };

struct zt_start_opts {
    const char *id, *type, *queue;
    json_t *input;          /* borrowed; NULL = no argument */
    const char *request_id; /* the same for every try of the same wish; NULL = made here */
    int64_t execution_timeout_ms, run_timeout_ms; /* 0 = none */
    enum zt_reuse reuse;    /* against a closed run; 0 = ALLOW. A running one is always a conflict */
};

/* ret_run_id: 40 bytes. ZN_CONFLICT if a run of that id exists already. ZN_UNAVAILABLE after the
 * retries. ZN_INVALID for what the server refuses. */
int zt_client_start(struct zt_client *c, const struct zt_start_opts *o, char *ret_run_id,
                    struct zn_err *err);
/* ZN_NOT_FOUND if no such run is open. input borrowed, may be NULL. */
int zt_client_signal(struct zt_client *c, const char *id, const char *signal, json_t *input,
                     struct zn_err *err);
/* The same; the workflow gets it once however often it is sent with one request_id. */
int zt_client_signal_once(struct zt_client *c, const char *id, const char *signal, json_t *input,
                          const char *request_id, struct zn_err *err);
/* Asks the current run to cancel; a second request is fine, and so is one to a run that has ended.
 * ZN_NOT_FOUND if there was never one. */
int zt_client_cancel(struct zt_client *c, const char *id, const char *reason, struct zn_err *err);
int zt_client_terminate(struct zt_client *c, const char *id, const char *reason,
                        struct zn_err *err);

enum zt_status { /* WorkflowExecutionStatus */
    ZT_RUNNING = 1, ZT_COMPLETED, ZT_ST_FAILED, ZT_ST_CANCELED, ZT_TERMINATED,
    ZT_CONTINUED_AS_NEW, ZT_ST_TIMED_OUT
};
int zt_client_describe(struct zt_client *c, const char *id, enum zt_status *ret,
                       struct zn_err *err);
/* Waits for the end of the current run (following continue-as-new); *ret: its result or NULL, new
 * reference. ZN_BUSY if deadline_ms passed first. */
int zt_client_result(struct zt_client *c, const char *id, int64_t deadline_ms,
                     enum zt_status *ret_status, json_t **ret, struct zn_err *err);

/* --- schedules: workflows that the server starts by itself, again and again ------------------------ */

struct zt_schedule {
    const char *id;
    const char *type, *queue; /* of the workflow */
    const char *workflow_id;  /* the server adds the time of each start to it */
    json_t *input;            /* borrowed; NULL = no argument */
    int64_t every_ms;         /* at multiples of this since 1970, plus phase_ms; 0 = by cron */
    int64_t phase_ms;
    const char *cron;         /* five fields, UTC; only without every_ms */
    int64_t catchup_ms;       /* starts missed by more than this are left out; 0 = a minute */
    int64_t execution_timeout_ms; /* of each run; 0 = none */
};

/* Creates the schedule or replaces the one of that id. A start whose predecessor still runs is skipped. */
int zt_client_schedule(struct zt_client *c, const struct zt_schedule *s, struct zn_err *err);
/* Starts its workflow now, beside the schedule's times. ZN_NOT_FOUND. */
int zt_client_schedule_trigger(struct zt_client *c, const char *id, struct zn_err *err);
/* Absent is fine. What it started runs on. */
int zt_client_schedule_delete(struct zt_client *c, const char *id, struct zn_err *err);

#endif
