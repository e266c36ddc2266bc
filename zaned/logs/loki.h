/* Client of the log store (Loki's HTTP API). No state but the address: safe to share between threads. */
#ifndef ZN_LOGS_LOKI_H
#define ZN_LOGS_LOKI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "zaned/logs/url.h"

/* The two calls are pointers so that tests can stand in for the store. */
struct zn_loki {
    struct zn_url url;
    /* Body of /loki/api/v1/push. 0 = taken. ZN_INVALID = the store took the good lines and refuses
     * the rest for good (err->msg: its words, *refused: how many, at least 1); ZN_UNAVAILABLE = try
     * again, nothing is certain. */
    int (*push)(struct zn_loki *l, const char *body, size_t n, unsigned *refused, struct zn_err *err);
    /* Lines with start <= time < end, at most limit of them from the start (forward) or from the end;
     * *ret = the array data.result: [{stream: {name: value}, values: [[ns text, line]]}]. */
    int (*query)(struct zn_loki *l, const char *logql, int64_t start, int64_t end, unsigned limit,
                 bool forward, json_t **ret, struct zn_err *err);
};

/* Fills the struct; nothing is connected and nothing has to be released. */
int zn_loki_init(struct zn_loki *l, const char *url, struct zn_err *err);

#endif
