#include "zaned/domain/people.h"

#include <ctype.h>
#include <string.h>

#include "zaned/domain/rules.h"

const char *zn_role_name(int role)
{
    return role >= ZN_ROLE_OWNER    ? "Owner"
           : role >= ZN_ROLE_ADMIN  ? "Admin"
           : role >= ZN_ROLE_MEMBER ? "Member"
                                    : "Guest";
}

bool zn_role_may_grant(int actor, int role)
{
    return actor >= ZN_ROLE_ADMIN && role < ZN_ROLE_OWNER && role <= actor;
}

bool zn_role_may_change(int actor, int target)
{
    return actor >= ZN_ROLE_ADMIN && target < actor;
}

/* ASCII only: two names that look alike would be two people. */
const char *zn_rule_username(const void *val)
{
    for (const char *p = *(const char *const *)val; *p; p++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@.+-_", *p))
            return "Enter a valid username: letters, digits and @/./+/-/_ only.";
    return NULL;
}

const char *zn_rule_label(const void *val)
{
    const char *s = *(const char *const *)val;
    const char *bad = zn_rule_name(val);

    if (bad)
        return bad;
    return s[strspn(s, " ")] ? NULL : "This field may not be all blanks.";
}

const char *zn_rule_role_given(const void *val)
{
    int64_t role = *(const int64_t *)val;

    if (role == ZN_ROLE_OWNER)
        return "The owner's role cannot be given: ownership is transferred.";
    if (role != ZN_ROLE_GUEST && role != ZN_ROLE_MEMBER && role != ZN_ROLE_ADMIN)
        return "Not a role: 10 is a guest, 30 a member, 40 an admin.";
    return NULL;
}

/* Browsers read "\" as "/", and drop tabs and line breaks before they look at the rest. */
const char *zn_rule_own_path(const void *val)
{
    const char *s = *(const char *const *)val;
    bool own = s[0] == '/' && s[1] != '/';

    for (const char *p = s; own && *p; p++)
        own = isgraph((unsigned char)*p) && *p != '\\';
    return own ? NULL : "A path on this site is required: it begins with one slash.";
}
