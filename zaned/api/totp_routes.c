/* Routes of the second factor: begin, confirm, disable, new recovery codes. */
#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "zaned/api/audit.h"
#include "zaned/api/caller.h"
#include "zaned/api/guess.h"
#include "zaned/api/password.h"
#include "zaned/api/totp.h"
#include "zaned/store/seal.h"
#include "zaned/store/store.h"

enum { CODE_LEN = 16, CODE_TEXT = CODE_LEN + 4 };

static const char *check_digits(const void *val)
{
    const char *s = *(const char *const *)val;

    return s[strspn(s, "0123456789")] ? "Enter the 6 digits that the authenticator shows." : NULL;
}

/* One table for all bodies: a route takes its part of it. */
struct in {
    const char *password, *code, *recovery_code;
};
#define PASSWORD                                                                                   \
    ZN_J(in, password, STR, .required = true, .min = 1, .max = 255, .format = "password")
#define CODE(...)                                                                                  \
    ZN_J(in, code, STR, .min = ZN_TOTP_DIGITS, .max = ZN_TOTP_DIGITS, .check = check_digits,       \
         __VA_ARGS__)

static const struct zn_jfield begin_fields[] = { PASSWORD };
static const struct zn_jfield code_fields[] = { CODE(.required = true) };
static const struct zn_jfield disable_fields[] = {
    PASSWORD,
    CODE(.help = "or recovery_code"),
    ZN_J(in, recovery_code, STR, .min = 1, .max = 40),
};

/* A transaction of these routes. */
struct act {
    struct zn_call *call;
    struct in in;
    char user[24];
    const char *seed, *sealed;
    json_t *codes; /* recovery codes in clear text, to be shown once */
};

static void act_init(struct act *t, struct zn_call *c)
{
    *t = (struct act){ .call = c };
    snprintf(t->user, sizeof t->user, "%lld", c->who.user_id);
}

static int bad_field(struct zn_call *c, const char *name, const char *msg, struct zn_err *err)
{
    zn_call_field(c, err, name, "invalid", msg);
    return zn_fail(err, ZN_INVALID, "the request has invalid fields");
}

/* 1: the reply says that it was tried too often. */
static int password_is_own(struct zn_call *c, const struct act *t, struct zn_reply *reply,
                           struct zn_err *err)
{
    zn_auto_pgresult res = NULL;
    int limited = zn_guess_own(c, "password", reply, err);

    if (limited)
        return limited;
    if (zn_sql_once(c->api->store, ZN_SQL_USER_BY_ID, ZN_P(t->user), &res, err) < 0)
        return -1;
    if (PQntuples(res) && zn_password_fits(zn_col(res, 0, "password_hash"), t->in.password))
        return 0;
    return bad_field(c, "password", "The password is not right.", err);
}

static int status(struct zn_call *c, struct zn_reply *reply, struct zn_err *err)
{
    zn_auto_pgresult res = NULL;
    struct act t;

    act_init(&t, c);
    if (zn_sql_once(c->api->store, ZN_SQL_SECOND_FACTOR, ZN_P(t.user), &res, err) < 0)
        return -1;
    bool on = PQntuples(res) && zn_col_bool(res, 0, "confirmed");
    zn_reply_json(reply, 200,
                  json_pack("{s:b,s:I}", "enabled", on, "recovery_codes_left",
                            (json_int_t)(on ? zn_col_i64(res, 0, "codes") : 0)));
    return 0;
}

/* --- begin and confirm ----------------------------------------------------------------------- */

static int begin_tx(struct zn_conn *conn, void *arg, struct zn_err *err)
{
    struct act *t = arg;
    zn_auto_pgresult row = NULL;

    if (zn_sql(conn, ZN_SQL_SECOND_FACTOR_BEGIN,
               ZN_P(t->user, t->sealed, zn_sealer_key_id(t->call->api->sealer)), &row, err) < 0)
        return -1;
    if (PQntuples(row) == 0)
        return zn_fail(err, ZN_CONFLICT, "You have a second factor already: disable it first.");
    return zn_audit(conn, t->call, "totp.begin", t->user, NULL, NULL, err);
}

static const char *uri_of(struct zn_call *c, const char *seed)
{
    zn_auto_buf struct zn_buf b = ZN_BUF(2048);

    zn_buf_puts(&b, "otpauth://totp/Zane:");
    zn_percent_add(&b, c->who.username);
    zn_buf_printf(&b, "?secret=%s&issuer=Zane&algorithm=SHA1&digits=%d&period=%d", seed,
                  ZN_TOTP_DIGITS, ZN_TOTP_STEP_S);
    return zn_buf_str(&b) ? zn_arena_strdup(c->arena, zn_buf_str(&b)) : NULL;
}

static int begin(struct zn_call *c, struct zn_reply *reply, struct zn_err *err)
{
    char seed[ZN_TOTP_SEED_TEXT];
    struct act t;
    int r;

    act_init(&t, c);
    if (zn_call_body(c, &t.in, NULL, err) < 0)
        return -1;
    if ((r = password_is_own(c, &t, reply, err)))
        return r < 0 ? -1 : 0;
    zn_totp_seed(seed);
    if (zn_seal(c->api->sealer, c->arena, seed, &t.sealed, err) < 0 ||
        zn_call_tx(c, begin_tx, &t, err) < 0)
        return -1;
    zn_reply_header(reply, "Cache-Control", "no-store");
    zn_reply_json(reply, 200, json_pack("{s:s,s:s?}", "secret", seed, "uri", uri_of(c, seed)));
    explicit_bzero(seed, sizeof seed);
    return 0;
}

/* Ten new codes in place of the old ones. */
static int new_codes(struct zn_conn *conn, struct act *t, struct zn_err *err)
{
    zn_auto_buf struct zn_buf hashes = ZN_BUF(4096);

    json_decref(t->codes);
    t->codes = json_array();
    for (int i = 0; i < ZN_RECOVERY_CODES; i++) {
        char code[CODE_TEXT], hash[ZN_SECRET_HASH];

        zn_id("", CODE_LEN, code, sizeof code);
        zn_secret_hash(code, hash);
        zn_buf_printf(&hashes, "%s%s", i ? "," : "{", hash);
        json_array_append_new(
            t->codes, json_sprintf("%.4s-%.4s-%.4s-%.4s", code, code + 4, code + 8, code + 12));
    }
    zn_buf_putc(&hashes, '}');
    return zn_sql(conn, ZN_SQL_RECOVERY_CLEAR, ZN_P(t->user), NULL, err) < 0
               ? -1
               : zn_sql(conn, ZN_SQL_RECOVERY_ADD, ZN_P(t->user, zn_buf_str(&hashes)), NULL, err);
}

/* Confirming comes before checking: the check asks confirmed ones only. A wrong one undoes both. */
static int confirm_tx(struct zn_conn *conn, void *arg, struct zn_err *err)
{
    struct act *t = arg;
    zn_auto_pgresult row = NULL;
    enum zn_factor said;

    if (zn_sql(conn, ZN_SQL_SECOND_FACTOR_LOCK, ZN_P(t->user), &row, err) < 0)
        return -1;
    if (PQntuples(row) == 0)
        return zn_fail(err, ZN_CONFLICT, "No second factor was begun.");
    if (zn_col_bool(row, 0, "confirmed"))
        return zn_fail(err, ZN_CONFLICT, "Your second factor is confirmed already.");
    if (zn_sql(conn, ZN_SQL_SECOND_FACTOR_CONFIRM, ZN_P(t->user), NULL, err) < 0 ||
        zn_factor_check(conn, t->call, t->user, t->in.code, NULL, &said, err) < 0)
        return -1;
    if (said != ZN_FACTOR_RIGHT)
        return bad_field(t->call, "code", "The code is not right: is the clock of the device?",
                         err);
    return new_codes(conn, t, err) < 0
               ? -1
               : zn_audit(conn, t->call, "totp.enable", t->user, NULL, NULL, err);
}

static int codes_tx(struct zn_conn *conn, void *arg, struct zn_err *err)
{
    struct act *t = arg;
    enum zn_factor said;

    if (zn_factor_check(conn, t->call, t->user, t->in.code, NULL, &said, err) < 0)
        return -1;
    if (said == ZN_FACTOR_NONE)
        return zn_fail(err, ZN_CONFLICT, "You have no second factor.");
    if (said != ZN_FACTOR_RIGHT)
        return bad_field(t->call, "code", "The code is not right, or was used before.", err);
    return new_codes(conn, t, err) < 0
               ? -1
               : zn_audit(conn, t->call, "totp.recovery_codes", t->user, NULL, NULL, err);
}

static int show_codes(struct zn_call *c, zn_tx_fn fn, struct zn_reply *reply, struct zn_err *err)
{
    struct act t;
    int r;

    act_init(&t, c);
    if (zn_call_body(c, &t.in, NULL, err) < 0)
        return -1;
    if ((r = zn_guess_own(c, "totp", reply, err)))
        return r < 0 ? -1 : 0;
    r = zn_call_tx(c, fn, &t, err);
    zn_auto_json codes = t.codes;
    if (r < 0)
        return -1;
    zn_reply_header(reply, "Cache-Control", "no-store");
    zn_reply_json(reply, 200, json_pack("{s:O}", "recovery_codes", codes));
    return 0;
}

static int confirm(struct zn_call *c, struct zn_reply *reply, struct zn_err *err)
{
    return show_codes(c, confirm_tx, reply, err);
}

static int regenerate(struct zn_call *c, struct zn_reply *reply, struct zn_err *err)
{
    return show_codes(c, codes_tx, reply, err);
}

/* --- disable --------------------------------------------------------------------------------- */

static int disable_tx(struct zn_conn *conn, void *arg, struct zn_err *err)
{
    struct act *t = arg;
    enum zn_factor said;

    if (zn_factor_check(conn, t->call, t->user, t->in.code, t->in.recovery_code, &said, err) < 0)
        return -1;
    if (said == ZN_FACTOR_NONE)
        return zn_fail(err, ZN_CONFLICT, "You have no second factor.");
    if (said == ZN_FACTOR_REQUIRED) {
        zn_call_field(t->call, err, "code", "required", "A code or a recovery code is required.");
        return zn_fail(err, ZN_INVALID, "the request has invalid fields");
    }
    if (said != ZN_FACTOR_RIGHT)
        return bad_field(t->call, t->in.code ? "code" : "recovery_code",
                         "The code is not right, or was used before.", err);
    if (zn_sql(conn, ZN_SQL_SECOND_FACTOR_DROP, ZN_P(t->user), NULL, err) < 0)
        return -1;
    return zn_audit(conn, t->call, "totp.disable", t->user, NULL, NULL, err);
}

static int disable(struct zn_call *c, struct zn_reply *reply, struct zn_err *err)
{
    struct act t;
    int r;

    act_init(&t, c);
    if (zn_call_body(c, &t.in, NULL, err) < 0)
        return -1;
    if ((r = password_is_own(c, &t, reply, err)) || (r = zn_guess_own(c, "totp", reply, err)))
        return r < 0 ? -1 : 0;
    if (zn_call_tx(c, disable_tx, &t, err) < 0)
        return -1;
    zn_reply_empty(reply, 204);
    return 0;
}

const struct zn_route zn_totp_routes[] = {
    { .method = "GET",
      .path = "/api/auth/totp",
      .scope = ZN_SCOPE_SESSION,
      .handler = status,
      .name = "totp_status",
      .summary = "Whether your logins need a second factor",
      .answers = { { 200, "SecondFactor" } } },
    { .method = "POST",
      .path = "/api/auth/totp/begin",
      .scope = ZN_SCOPE_SESSION,
      .handler = begin,
      .name = "totp_begin",
      .summary = "Make the secret for an authenticator; it holds once confirmed",
      .body = ZN_FIELDS(begin_fields),
      .conflicts = true,
      .answers = { { 200, "SecondFactorSecret" } } },
    { .method = "POST",
      .path = "/api/auth/totp/confirm",
      .scope = ZN_SCOPE_SESSION,
      .handler = confirm,
      .name = "totp_confirm",
      .summary = "Show that the authenticator has the secret; logins need it from now on",
      .body = ZN_FIELDS(code_fields),
      .conflicts = true,
      .answers = { { 200, "RecoveryCodes" } } },
    { .method = "POST",
      .path = "/api/auth/totp/recovery-codes",
      .scope = ZN_SCOPE_SESSION,
      .handler = regenerate,
      .name = "totp_recovery_codes",
      .summary = "Replace the recovery codes; the old ones hold no more",
      .body = ZN_FIELDS(code_fields),
      .conflicts = true,
      .answers = { { 200, "RecoveryCodes" } } },
    { .method = "POST",
      .path = "/api/auth/totp/disable",
      .scope = ZN_SCOPE_SESSION,
      .handler = disable,
      .name = "totp_disable",
      .summary = "Log in by password alone again",
      .body = ZN_FIELDS(disable_fields),
      .conflicts = true,
      .answers = { { 204, NULL } } },
};
const size_t zn_totp_nroutes = ZN_COUNT(zn_totp_routes);
