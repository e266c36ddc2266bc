/* Rules of people: roles and what they allow, names of users, paths that a login may lead to. */
#ifndef ZN_DOMAIN_PEOPLE_H
#define ZN_DOMAIN_PEOPLE_H

#include <stdbool.h>
#include <stdint.h>

/* In a workspace, which has exactly one owner. A guest sees the projects listed for them only. */
enum zn_role { ZN_ROLE_GUEST = 10, ZN_ROLE_MEMBER = 30, ZN_ROLE_ADMIN = 40, ZN_ROLE_OWNER = 50 };

enum {
    ZN_MAX_USERNAME = 150, /* first and last names too */
    ZN_MAX_PASSWORD = 255,
    ZN_MAX_WORKSPACE_NAME = 255,
    ZN_MAX_GUEST_PROJECTS = 1000,
    ZN_INVITATION_DAYS = 3, /* unless said otherwise */
    ZN_INVITATION_DAYS_MAX = 7,
};

/* "Owner", "Admin", "Member" or "Guest". */
const char *zn_role_name(int role);
/* Whether a member with role actor may give somebody this role: at most the own one. The owner's is never
 * given, only handed over. */
bool zn_role_may_grant(int actor, int role);
/* Whether actor may remove a member with role target or change what they may: the owner everybody, an
 * admin who is below. Nobody removes or changes the owner. */
bool zn_role_may_change(int actor, int target);

/* Validators for decode tables (base/json.h); val points to a const char * or, for the role, to an int64_t. */
const char *zn_rule_username(const void *val);
const char *zn_rule_label(const void *val); /* printable text that is not all blank */
const char *zn_rule_role_given(const void *val);
/* A path of our own site, where a browser that follows it stays: "/a?b#c", never "//host". */
const char *zn_rule_own_path(const void *val);

#endif
