/* Which registry an image comes from, and whether a login is for it. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include "zaned/domain/registry.h"

struct fit_case {
    char url[64], image[80];
    int fits;
};

ParameterizedTestParameters(registry, logins_go_to_their_own_registry_only)
{
    static struct fit_case cases[] = {
        { "https://ghcr.io", "ghcr.io/a/b:1", 1 },
        { "https://GHCR.io/a/", "ghcr.io/a/b", 1 },
        { "https://ghcr.io:443", "ghcr.io/a/b", 1 },
        { "https://ghcr.io", "ghcr.io:443/a/b", 1 },
        { "https://ghcr.io", "ghcr.io.evil.test/a", 0 },
        { "https://ghcr.io", "evil.test/ghcr.io/a", 0 },
        { "https://ghcr.io", "ghcr.io:444/a", 0 },
        { "https://ghcr.io", "nginx", 0 },
        { "http://127.0.0.1:5000", "127.0.0.1:5000/app:1", 1 },
        { "http://127.0.0.1:5000/", "127.0.0.1:5001/app:1", 0 },
        { "http://local.test", "local.test/app", 1 },
        { "http://local.test:80", "local.test/app", 1 },
        { "https://localhost", "localhost/app", 1 },
        /* The Docker Hub has many names. */
        { "https://index.docker.io/v1/", "nginx", 1 },
        { "https://registry-1.docker.io", "library/nginx:1@sha256:0", 1 },
        { "https://docker.io", "docker.io/me/app", 1 },
        { "https://hub.docker.com", "me/app", 1 },
        { "https://notdocker.io", "nginx", 0 },
        { "https://docker.io.evil.test", "nginx", 0 },
        { "https://index.docker.io/v1/", "evil.test/app", 0 },
        /* What is no address fits nothing. */
        { "ghcr.io", "ghcr.io/a", 0 },
        { "https://", "nginx", 0 },
        { "https://ghcr.io@evil.test", "evil.test/a", 0 },
        { "https://ghcr%2eio", "ghcr.io/a", 0 },
        { "https://ghcr.io\\.evil.test", "ghcr.io/a", 0 },
        { "HTTPS://ghcr.io", "ghcr.io/a", 0 },
    };

    return cr_make_param_array(struct fit_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct fit_case *c, registry, logins_go_to_their_own_registry_only, .timeout = 5)
{
    cr_expect_eq(zn_login_fits(c->url, c->image), c->fits, "%s %s", c->url, c->image);
}
