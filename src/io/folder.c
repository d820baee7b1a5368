/* Makes and removes the folder of a Unix socket.
 *
 * The happy path: root starts the server on a machine without its unit, /run/rollcall is not there, it is made and
 * given to the user whom the server is about to become. At the end it is removed.
 *
 * What can go wrong: it cannot be made (opening the socket fails then, and says why), or not removed, because a user
 * other than root may not change /run: then it is left, empty, and the next start finds it as it should be. */
#include "config.h" /* _GNU_SOURCE */

#include "io/folder.h"

#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER_MODE 0755

/* "/run/rollcall" of "/run/rollcall/rollcall.sock"; false if there is nothing above the root, or it is too long. */
static bool folder_of(const char *path, char out[PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    size_t len = slash != NULL ? (size_t)(slash - path) : 0;
    if (len == 0 || len >= PATH_MAX) {
        return false;
    }
    memcpy(out, path, len);
    out[len] = '\0';
    return true;
}

bool folder_make(const char *path, const char *user)
{
    char folder[PATH_MAX];
    if (!folder_of(path, folder) || mkdir(folder, FOLDER_MODE) != 0) {
        return false;
    }
    const struct passwd *pw = user != NULL ? getpwnam(user) : NULL;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    bool is_ready = fd >= 0 && fchmod(fd, FOLDER_MODE) == 0 && /* whatever the umask left of it */
                    (pw == NULL || geteuid() != 0 || fchown(fd, pw->pw_uid, pw->pw_gid) == 0);
    if (fd >= 0) {
        close(fd);
    }
    if (!is_ready) {
        (void)rmdir(folder);
    }
    return is_ready;
}

void folder_remove(const char *path)
{
    char folder[PATH_MAX];
    if (folder_of(path, folder)) {
        (void)rmdir(folder);
    }
}
