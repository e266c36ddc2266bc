/* Entry program of the images without a shell.
 *   zn-init caddy   finds the address of the interface that host-mode ports come in by, exports it as
 *                   ZN_LISTEN and becomes Caddy. Binding that address alone keeps containers on the
 *                   environment networks from opening Caddy's ports. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/socket.h>
#include <unistd.h>

static const char base_config[] = "/etc/zane/caddy.json";
static const char saved_config[] = "/data/config/caddy/autosave.json";

static int die(const char *what)
{
    fprintf(stderr, "zn-init: %s: %s\n", what, strerror(errno));
    return 1;
}

/* Name of the interface with the IPv4 default route; 0 or -1. /proc/net/route: name, destination in hex. */
static int default_interface(char ret[IFNAMSIZ])
{
    FILE *f = fopen("/proc/net/route", "r");
    char line[256], name[IFNAMSIZ];
    unsigned long destination;
    int found = -1;

    while (f && found < 0 && fgets(line, sizeof line, f))
        if (sscanf(line, "%15s %lx", name, &destination) == 2 && destination == 0) {
            memcpy(ret, name, IFNAMSIZ);
            found = 0;
        }
    if (f)
        fclose(f);
    return found;
}

static int listen_address(char ret[INET_ADDRSTRLEN])
{
    struct ifreq req = { 0 };
    int fd = socket(AF_INET, SOCK_DGRAM, 0), r = -1;

    if (fd >= 0 && default_interface(req.ifr_name) == 0 && ioctl(fd, SIOCGIFADDR, &req) == 0) {
        struct sockaddr_in sa;
        memcpy(&sa, &req.ifr_addr, sizeof sa);
        r = inet_ntop(AF_INET, &sa.sin_addr, ret, INET_ADDRSTRLEN) ? 0 : -1;
    }
    if (fd >= 0)
        close(fd);
    return r;
}

/* Sockets of an earlier container in the shared directory would make the bind fail. */
static void remove_old_sockets(void)
{
    unlink("/run/caddy/admin.sock");
    unlink("/run/caddy/edge.sock");
    unlink("/run/caddy/probe.sock");
}

static int run_caddy(void)
{
    char address[INET_ADDRSTRLEN];
    char *base[] = { "/caddy", "run", "--config", (char *)(unsigned long)base_config, NULL };
    char *saved[] = { "/caddy", "run", "--config", (char *)(unsigned long)saved_config, NULL };
    struct stat st;

    if (listen_address(address) < 0)
        return die("no address on the interface of the default route");
    setenv("ZN_LISTEN", address, 1);
    remove_old_sockets();
    execv("/caddy", stat(saved_config, &st) == 0 && st.st_size > 0 ? saved : base);
    return die("/caddy");
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "caddy") == 0)
        return run_caddy();
    fprintf(stderr, "usage: zn-init caddy\n");
    return 2;
}
