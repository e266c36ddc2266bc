/* Identifiers and generated names (shapes: docs/api.md §Identifiers). */
#ifndef ZN_DOMAIN_NAMES_H
#define ZN_DOMAIN_NAMES_H

#include "base/arena.h"

#define ZN_ID_WORKSPACE "wrk_"
#define ZN_ID_INVITATION "wrk_ivt_"
#define ZN_ID_PROJECT "prj_"
#define ZN_ID_ENVIRONMENT "project_env_" /* with 15 characters */
#define ZN_ID_SERVICE "srv_dkr_"
#define ZN_ID_DEPLOYMENT "dpl_dkr_"
#define ZN_ID_CHANGE "chg_dkr_"
#define ZN_ID_ENV "env_dkr_"
#define ZN_ID_URL "url_"
#define ZN_ID_VOLUME "vol_"
#define ZN_ID_HEALTHCHECK "htc_"

/* New identifier "<prefix><11 characters>" in the arena; NULL if that is full. */
char *zn_new_id(struct zn_arena *a, const char *prefix);
/* Part of an identifier after its prefix ("prj_abc" → "abc"); borrowed. */
const char *zn_id_part(const char *id);
/* 32 random hexadecimal digits. */
char *zn_new_token(struct zn_arena *a);
/* "<adjective>-<noun>-<4 random>", a valid slug. */
char *zn_new_slug(struct zn_arena *a);
/* "<project>-<service>-<10 random>.<root>", lower case, the first label at most 63 long. */
char *zn_new_domain(struct zn_arena *a, const char *project, const char *service,
                    const char *root_domain);
/* "zn-<slug>-<id part>", fixed for the life of a service. */
char *zn_network_alias(struct zn_arena *a, const char *slug, const char *service_id);

#endif
