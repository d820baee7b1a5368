/* [script NAME] sections made ready to run: the command split, the user looked up.
 *
 * Why apart from running them: all that can be slow or wrong is found at start and at a reload, where an administrator reads
 * the error, and nothing is left to do between fork and exec but system calls.
 *
 * What can go wrong: an unknown user, or one that this process has no right to become. Both are errors of the
 * configuration: a check that silently ran as another user would be worse than none. */
#include "config.h" /* _GNU_SOURCE */
#include "io/script_table.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLANKS     " \t"
#define GROUPS_MAX 1024
#define PASSWD_MAX 65536 /* bytes of one entry of the user database */

struct script_table {
    size_t n;
    struct script items[];
};

static size_t count_words(const char *s)
{
    size_t n = 0;
    for (s += strspn(s, BLANKS); *s != '\0'; s += strspn(s, BLANKS)) {
        n++;
        s += strcspn(s, BLANKS);
    }
    return n;
}

/* One block: the pointers, then the words they point to. */
static char **split(const char *command)
{
    size_t n = count_words(command), at = 0;
    char **argv = malloc((n + 1) * sizeof(*argv) + strlen(command) + 1);
    if (argv == NULL)
        return NULL;
    char *rest = strcpy((char *)(argv + n + 1), command);
    for (char *word = strtok_r(rest, BLANKS, &rest); word != NULL; word = strtok_r(NULL, BLANKS, &rest))
        argv[at++] = word;
    argv[at] = NULL;
    return argv;
}

static int take_groups(struct script *s, const struct passwd *pw)
{
    int n = GROUPS_MAX;
    s->groups = malloc(GROUPS_MAX * sizeof(*s->groups));
    if (s->groups == NULL)
        return ERR_NOMEM;
    if (getgrouplist(pw->pw_name, pw->pw_gid, s->groups, &n) < 0)
        n = GROUPS_MAX; /* the first ones; Linux lets a process have many more, nobody has */
    s->n_groups = n;
    gid_t *smaller = realloc(s->groups, (size_t)(n > 0 ? n : 1) * sizeof(*s->groups));
    if (smaller != NULL)
        s->groups = smaller;
    return 0;
}

static int take_user(struct script *s, const char *user, struct err *e)
{
    struct passwd pw, *found = NULL;
    char *text = malloc(PASSWD_MAX);
    if (text == NULL)
        return err_set(e, ERR_NOMEM, "%s", err_meaning(ERR_NOMEM));
    int rc = getpwnam_r(user, &pw, text, PASSWD_MAX, &found), code = 0;
    if (rc == ENOMEM) {
        code = err_set(e, ERR_NOMEM, "%s", err_meaning(ERR_NOMEM));
    } else if (found == NULL) {
        code = err_set(e, ERR_BADARG, "[script %s] user: there is no user \"%s\"", s->name, user);
    } else if (pw.pw_uid == geteuid()) {
        s->switches_user = false;
    } else if (geteuid() != 0) {
        code = err_set(e, ERR_BADARG, "[script %s] user: only a server that runs as root can run scripts as \"%s\"",
                       s->name, user);
    } else {
        s->switches_user = true;
        s->uid = pw.pw_uid;
        s->gid = pw.pw_gid;
        code = take_groups(s, &pw);
    }
    free(text);
    return code;
}

static int take_script(struct script *s, const struct config_script *from, struct err *e)
{
    memcpy(s->name, from->name, sizeof(s->name));
    s->timeout_ms = from->timeout_ms;
    s->output_max = from->output_max;
    if (from->command == NULL || from->command[strspn(from->command, BLANKS)] != '/')
        return err_set(e, ERR_BADARG, "[script %s] command: the absolute path of a program is needed", s->name);
    s->argv = split(from->command);
    if (s->argv == NULL)
        return err_set(e, ERR_NOMEM, "%s", err_meaning(ERR_NOMEM));
    return from->user != NULL ? take_user(s, from->user, e) : 0;
}

int script_table_new(const struct config_script *scripts, size_t n, struct script_table **out, struct err *e)
{
    struct script_table *t = calloc(1, sizeof(*t) + n * sizeof(t->items[0]));
    if (t == NULL)
        return err_set(e, ERR_NOMEM, "%s", err_meaning(ERR_NOMEM));
    for (t->n = 0; t->n < n; t->n++) {
        int rc = take_script(&t->items[t->n], &scripts[t->n], e);
        if (rc != 0) {
            t->n++;
            script_table_free(t);
            return rc;
        }
    }
    *out = t;
    return 0;
}

void script_table_free(struct script_table *t)
{
    if (t == NULL)
        return;
    for (size_t i = 0; i < t->n; i++) {
        free(t->items[i].argv);
        free(t->items[i].groups);
    }
    free(t);
}

const struct script *script_table_find(const struct script_table *t, const char *name)
{
    for (size_t i = 0; i < t->n; i++)
        if (strcmp(t->items[i].name, name) == 0)
            return &t->items[i];
    return NULL;
}
