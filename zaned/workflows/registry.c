/* What the engine logs in with at the registry of a deployment's image. */
#include <string.h>

#include "base/encode.h"
#include "zaned/domain/registry.h"
#include "zaned/workflows/work.h"

static int pack(const PGresult *row, const char *password, struct zn_buf *ret, struct zn_err *err)
{
    zn_auto_json doc = json_pack("{s:s,s:s,s:s}", "username", zn_col(row, 0, "username"), "password", password,
                                 "serveraddress", zn_col(row, 0, "url"));
    zn_auto_mem char *text = doc ? json_dumps(doc, JSON_COMPACT) : NULL;

    if (!text)
        return zn_fail(err, ZN_INTERNAL, "out of memory");
    zn_base64_add(ret, text, strlen(text), true);
    explicit_bzero(text, strlen(text));
    return zn_buf_str(ret) ? 0 : zn_fail(err, ZN_INVALID, "the registry credentials are too long");
}

int zn_registry_auth(struct zn_work *w, const struct zn_dep *d, struct zn_buf *ret, struct zn_err *err)
{
    const char *id = zn_json_str(json_object_get(d->snapshot, "container_registry_credentials"), "id", NULL);
    const char *image = zn_json_str(d->snapshot, "image", ""), *password;
    zn_auto_arena struct zn_arena a = { .limit = 1 << 16 };
    zn_auto_pgresult res = NULL;
    char host[ZN_REGISTRY_HOST];

    if (!id)
        return 0;
    if (zn_sql_once(w->store, ZN_SQL_REGISTRY_LOGIN, ZN_P(id), &res, err) < 0)
        return -1;
    if (PQntuples(res) == 0)
        return zn_fail(err, ZN_INVALID, "the registry credentials of the image are gone");
    /* Whoever may name an image could have the password sent to a host of theirs else. */
    zn_image_registry(image, host);
    if (!zn_login_fits(zn_col(res, 0, "url"), image))
        return zn_fail(err, ZN_INVALID, "the registry credentials are for %.120s, but the image is on %.80s",
                       zn_col(res, 0, "url"), host);
    if (zn_unseal(w->sealer, &a, zn_col(res, 0, "key_id"), zn_col(res, 0, "password_sealed"), &password, err) < 0)
        return zn_wrap(err, "registry credentials %s", id);
    int r = pack(res, password, ret, err);
    explicit_bzero((char *)(uintptr_t)password, strlen(password)); /* ours: it lies in the arena above */
    return r;
}

void zn_registry_auth_done(struct zn_buf *auth)
{
    if (auth->mem)
        explicit_bzero(auth->mem, auth->len);
    zn_buf_done(auth);
}
