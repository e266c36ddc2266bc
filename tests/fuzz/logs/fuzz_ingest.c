/* Any JSON as a batch: every item is inserted, ignored or refused, and what is pushed is JSON. */
#include <stdint.h>
#include <stdlib.h>

#include "zaned/logs/ingest.h"

static int push(struct zn_loki *l, const char *body, size_t n, unsigned *refused, struct zn_err *err)
{
    zn_auto_json doc = json_loadb(body, n, JSON_REJECT_DUPLICATES, NULL);

    (void)l;
    (void)refused;
    (void)err;
    if (!doc)
        __builtin_trap();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct zn_loki loki = { .push = push };
    struct zn_ingest_result r;
    struct zn_err err = { 0 };
    zn_auto_json doc = NULL;

    if (zn_json_parse((const char *)data, size, &doc, &err) < 0)
        return 0;
    if (zn_ingest(&loki, doc, 1764085000000000000LL, &r, &err) == 0 &&
        r.inserted + r.ignored + r.refused < json_array_size(doc))
        __builtin_trap(); /* colours that were not kept count as refused beside their line */
    return 0;
}
