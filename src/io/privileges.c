/* Open what needs root, drop it for good: called once, after the sockets are open and before the first byte from the
 * network is read. */
#include "config.h" /* _GNU_SOURCE */

#include "io/privileges.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static int find(const char *user, const struct passwd **out, struct err *e)
{
    errno = 0;
    *out = getpwnam(user);
    if (*out == NULL) {
        return err_set(e, ERR_BADARG, "[server] user: there is no user \"%s\"%s%s", user, errno != 0 ? ": " : "",
                       errno != 0 ? strerror(errno) : "");
    }
    return 0;
}

int privileges_check_user(const char *user, struct err *e)
{
    const struct passwd *pw;
    return find(user, &pw, e);
}

int privileges_drop(const char *user, struct err *e)
{
    const struct passwd *pw;
    int rc = find(user, &pw, e);
    if (rc != 0) {
        return rc;
    }
    if (pw->pw_uid == geteuid() && pw->pw_uid == getuid()) {
        return 0;
    }
    if (initgroups(pw->pw_name, pw->pw_gid) != 0 || setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) != 0 ||
        setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) != 0) {
        return err_set(e, ERR_IO, "[server] user: cannot become \"%s\": %s; only root can", user, strerror(errno));
    }
    if (pw->pw_uid != 0 && setuid(0) == 0) {
        return err_set(e, ERR_IO, "[server] user: could become root again after becoming \"%s\"", user);
    }
    return 0;
}

uint64_t privileges_raise_files(uint64_t wanted)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return 0;
    }
    struct rlimit raised = limit;
    if (limit.rlim_cur < wanted) {
        raised.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    }
    if (raised.rlim_max < wanted) {
        struct rlimit root = {.rlim_cur = wanted, .rlim_max = wanted}; /* only root may */
        if (setrlimit(RLIMIT_NOFILE, &root) == 0) {
            return wanted;
        }
    }
    return setrlimit(RLIMIT_NOFILE, &raised) == 0 ? raised.rlim_cur : limit.rlim_cur;
}
