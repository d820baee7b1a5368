/* A password in a file that everybody may read is none, so that is refused before its content is looked at. */
#include "config.h" /* _GNU_SOURCE */

#include "app/password.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PASSWORD_MAX 512

/* Reads until the end or `cap` bytes. Returns how many, -1 with errno. */
static ssize_t read_some(int fd, char *out, size_t cap)
{
    size_t len = 0;
    while (len < cap) {
        ssize_t n = read(fd, out + len, cap - len);
        if (n == 0) {
            break;
        }
        if (n > 0) {
            len += (size_t)n;
        } else if (errno != EINTR) {
            return -1;
        }
    }
    return (ssize_t)len;
}

static int load_fd(int fd, const char *path, char **out, struct err *e)
{
    struct stat st;
    char text[PASSWORD_MAX + 2];
    if (fstat(fd, &st) != 0) {
        return err_set(e, ERR_IO, "password_file %s: %s", path, strerror(errno));
    }
    if ((st.st_mode & (S_IRWXO | S_IWGRP)) != 0) {
        return err_set(e, ERR_BADARG, "password_file %s is open to others; chmod 0640 %s", path, path);
    }
    ssize_t n = read_some(fd, text, sizeof(text) - 1);
    if (n < 0) {
        return err_set(e, ERR_IO, "password_file %s: %s", path, strerror(errno));
    }
    text[n] = '\0';
    size_t len = strcspn(text, "\r\n");
    if (len == 0 || len > PASSWORD_MAX) {
        explicit_bzero(text, sizeof(text));
        return err_set(e, ERR_BADARG, "password_file %s: its first line must be the password, 1 to %d bytes", path,
                       PASSWORD_MAX);
    }
    *out = strndup(text, len);
    explicit_bzero(text, sizeof(text));
    return *out != NULL ? 0 : err_set(e, ERR_NOMEM, "%s", err_meaning(ERR_NOMEM));
}

int password_load(const char *path, char **out, struct err *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        return err_set(e, ERR_IO, "password_file %s: %s", path, strerror(errno));
    }
    int rc = load_fd(fd, path, out, e);
    close(fd);
    return rc;
}

void password_free(char *password)
{
    if (password != NULL) {
        explicit_bzero(password, strlen(password));
        free(password);
    }
}
