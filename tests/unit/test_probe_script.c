/* Checks by scripts: what they are given, how they end, and that nothing of them is left. */
#include "config.h" /* _GNU_SOURCE */

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "../lib/heap.h"
#include "../lib/probe_bench.h"
#include "base/log.h"

#define SCRIPTS_MAX 8

/* One directory with the scripts of a test, each a file for /bin/sh. */
struct fixture {
    struct probe_bench bench;
    char dir[64], path[SCRIPTS_MAX][128], out[128];
    struct config_script scripts[SCRIPTS_MAX];
    size_t n;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    strcpy(f->dir, "/tmp/rollcall-test-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    assert_int_equal(chmod(f->dir, 0755), 0);
    snprintf(f->out, sizeof(f->out), "%s/out", f->dir);
    log_set_level(LOG_LEVEL_ERROR); /* scripts without a user warn where root runs the tests */
    bench_init(&f->bench, (struct prober_options){.n_scripts = 0});
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    bench_fini(&f->bench);
    for (size_t i = 0; i < f->n; i++)
        unlink(f->path[i]);
    unlink(f->out);
    rmdir(f->dir);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left, not even a dead one */
    assert_int_equal(errno, ECHILD);
    free(f);
    return 0;
}

/* Adds [script NAME] with this text and gives the table to the prober. */
static struct config_script *add(struct fixture *f, const char *name, const char *text)
{
    struct config_script *s = &f->scripts[f->n];
    char *path = f->path[f->n];
    snprintf(path, sizeof(f->path[0]), "%s/%s", f->dir, name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fprintf(file, "#!/bin/sh\n%s\n", text);
    fclose(file);
    assert_int_equal(chmod(path, 0755), 0);
    snprintf(s->name, sizeof(s->name), "%s", name);
    s->command = path;
    s->output_max = 65536;
    s->timeout_ms = 10000;
    f->n++;
    struct err e;
    if (prober_set_scripts(f->bench.prober, f->scripts, f->n, &e) != 0)
        fail_msg("%s", e.text);
    return s;
}

static struct check_spec script(const char *name)
{
    return (struct check_spec){.type = CHECK_SCRIPT, .host = "", .script = name};
}

static void expect(struct fixture *f, const char *text, enum check_status status, const char *output)
{
    char name[8];
    snprintf(name, sizeof(name), "s%zu", f->n);
    add(f, name, text);
    bench_expect(&f->bench, script(name), status, output);
}

static const char *content_of_out(const struct fixture *f)
{
    static char text[4096];
    int fd = open(f->out, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
    text[n] = '\0';
    close(fd);
    return text;
}

static void exit_status_decides(void **state)
{
    struct fixture *f = *state;
    expect(f, "exit 0", CHECK_PASSING, "exit 0");
    expect(f, "echo load 0.3; exit 0", CHECK_PASSING, "exit 0: load 0.3");
    expect(f, "echo disk 91% full; exit 1", CHECK_WARNING, "exit 1: disk 91% full");
    expect(f, "echo no route >&2; echo second line; exit 2", CHECK_CRITICAL, "exit 2: no route");
    expect(f, "exit 77", CHECK_CRITICAL, "exit 77");
}

static void signal_is_critical(void **state)
{
    struct fixture *f = *state;
    expect(f, "kill -SEGV $$", CHECK_CRITICAL, "killed by signal 11 (Segmentation fault)");
}

static void output_is_made_printable(void **state)
{
    struct fixture *f = *state;
    expect(f, "printf '\\n\\n  a\\033[31mb\\r\\nsecond\\n'", CHECK_PASSING, "exit 0: a?[31mb");
}

static void unknown_name_is_critical(void **state)
{
    struct fixture *f = *state;
    bench_expect(&f->bench, script("nobody"), CHECK_CRITICAL, "there is no [script nobody] in the configuration");
}

static void what_cannot_be_run_says_why(void **state)
{
    struct fixture *f = *state;
    add(f, "gone", "exit 0");
    unlink(f->path[0]);
    char expected[256];
    snprintf(expected, sizeof(expected), "exit 127: cannot run %s: No such file or directory", f->path[0]);
    bench_expect(&f->bench, script("gone"), CHECK_CRITICAL, expected);
}

static bool is_gone(pid_t pid)
{
    for (int i = 0; i < 200; i++) { /* killed, but perhaps not reaped yet by whoever inherited it */
        char path[64], line[256] = "";
        snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            return true;
        ssize_t n = read(fd, line, sizeof(line) - 1);
        close(fd);
        if (n <= 0 || strstr(line, ") Z ") != NULL)
            return true;
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    return false;
}

static void timeout_kills_the_group(void **state)
{
    struct fixture *f = *state;
    char text[256];
    snprintf(text, sizeof(text), "echo waiting; sleep 100 & echo $! $$ > %s; wait", f->out);
    add(f, "slow", text);
    struct check_spec s = script("slow");
    s.timeout_ms = 300;
    bench_expect(&f->bench, s, CHECK_CRITICAL, "timeout after 300ms: waiting");
    int child = 0, self = 0;
    assert_int_equal(sscanf(content_of_out(f), "%d %d", &child, &self), 2);
    assert_true(is_gone(child));
    assert_true(is_gone(self));
    ev_run(f->bench.loop, EVRUN_ONCE); /* reaps it */
}

static void configuration_bounds_the_timeout(void **state)
{
    struct fixture *f = *state;
    struct config_script *c = add(f, "slow", "sleep 100");
    c->timeout_ms = 50;
    assert_int_equal(prober_set_scripts(f->bench.prober, f->scripts, f->n, NULL), 0);
    struct check_spec s = script("slow");
    s.timeout_ms = 4000;
    bench_expect(&f->bench, s, CHECK_CRITICAL, "timeout after 50ms");
    ev_run(f->bench.loop, EVRUN_ONCE);
    s.timeout_ms = 0; /* not given */
    bench_expect(&f->bench, s, CHECK_CRITICAL, "timeout after 50ms");
    ev_run(f->bench.loop, EVRUN_ONCE);
}

/* A script that leaves a process behind: its end counts, and the rest of its group is killed. */
static void what_is_left_behind_is_killed(void **state)
{
    struct fixture *f = *state;
    char text[256];
    snprintf(text, sizeof(text), "sleep 100 & echo $! > %s; exit 0", f->out);
    expect(f, text, CHECK_PASSING, "exit 0");
    int child = 0;
    assert_int_equal(sscanf(content_of_out(f), "%d", &child), 1);
    assert_true(is_gone(child));
}

static void output_is_capped(void **state)
{
    struct fixture *f = *state;
    expect(f, "head -c 60000 /dev/zero | tr '\\0' x; exit 0", CHECK_PASSING,
           /* the first 256 bytes */
           "exit 0: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
           "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
           "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
    expect(f, "yes", CHECK_CRITICAL, "killed after 65536 bytes of output: y");
    ev_run(f->bench.loop, EVRUN_ONCE);
}

static void environment_holds_the_instance(void **state)
{
    struct fixture *f = *state;
    const struct named_port ports[] = {{.name = "http-alt", .number = 8081}};
    const char *const tags[] = {"blue", "v2"};
    const struct meta meta[] = {{.key = "rack-id", .value = "a b; $(c)"}, {.key = "LD_PRELOAD=x", .value = "no"}};
    struct description *d = f->bench.desc;
    struct description_more *more = &f->bench.more;
    d->port = 8080;
    d->has_v6 = true;
    more->v6[15] = 1;
    more->ports = ports;
    d->n_ports = 1;
    more->tags = tags;
    d->n_tags = 2;
    more->meta = meta;
    d->n_meta = 2;
    setenv("SECRET", "of the server", 1);
    char text[256];
    snprintf(text, sizeof(text), "/usr/bin/env | grep -v -e '^PWD=' -e '^_=' -e '^SHLVL=' -e '^OLDPWD=' | sort > %s", f->out);
    expect(f, text, CHECK_PASSING, "exit 0");
    unsetenv("SECRET");
    assert_string_equal(content_of_out(f), "LANG=C.UTF-8\n"
                                           "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
                                           "ROLLCALL_ADDRESS=127.0.0.1\n"
                                           "ROLLCALL_ADDRESS_V4=127.0.0.1\n"
                                           "ROLLCALL_ADDRESS_V6=::1\n"
                                           "ROLLCALL_ID=w1\n"
                                           "ROLLCALL_META_RACK_ID=a b; $(c)\n"
                                           "ROLLCALL_PORT=8080\n"
                                           "ROLLCALL_PORT_HTTP_ALT=8081\n"
                                           "ROLLCALL_SERVICE=web\n"
                                           "ROLLCALL_TAGS=blue,v2\n");
}

static void command_has_arguments_and_no_shell(void **state)
{
    struct fixture *f = *state;
    struct config_script *c = add(f, "args", "echo \"$#:$1:$2\"");
    char command[256];
    snprintf(command, sizeof(command), "%s  -w\t$(id);ls ", f->path[0]);
    c->command = command;
    assert_int_equal(prober_set_scripts(f->bench.prober, f->scripts, f->n, NULL), 0);
    bench_expect(&f->bench, script("args"), CHECK_PASSING, "exit 0: 2:-w:$(id);ls");
}

/* Only input, output and error, whatever the server has open without O_CLOEXEC; and none of it stays open here. */
static void descriptors_are_closed(void **state)
{
    struct fixture *f = *state;
    expect(f, "exit 0", CHECK_PASSING, "exit 0");
    unsigned before = bench_open_fds();
    int leaky = dup(STDIN_FILENO);
    expect(f, "exec ls -m /proc/self/fd", CHECK_PASSING, "exit 0: 0, 1, 2, 3"); /* 3: ls reads the directory */
    close(leaky);
    assert_int_equal(bench_open_fds(), before);
}

static void signals_are_default(void **state)
{
    struct fixture *f = *state;
    signal(SIGPIPE, SIG_IGN);
    sigset_t block, old;
    sigemptyset(&block);
    sigaddset(&block, SIGTERM);
    sigprocmask(SIG_BLOCK, &block, &old);
    /* The low 28 signals: 32 and 33 belong to libc, and make(1) starts its children with those two ignored. */
    expect(f, "grep -E '^Sig(Blk|Ign)' /proc/$$/status | grep -o '.......$' | tr -d '\\n'", CHECK_PASSING,
           "exit 0: 00000000000000");
    sigprocmask(SIG_SETMASK, &old, NULL);
    signal(SIGPIPE, SIG_DFL);
}

static void many_run_at_once(void **state)
{
    struct fixture *f = *state;
    add(f, "ok", "exit 0");
    for (int i = 0; i < 20; i++)
        bench_start(&f->bench, script("ok"));
    bench_wait(&f->bench, 20);
    for (int i = 0; i < 20; i++)
        assert_int_equal(f->bench.results[i].status, CHECK_PASSING);
}

static void prober_free_kills(void **state)
{
    struct fixture *f = *state;
    char text[256];
    snprintf(text, sizeof(text), "echo $$ > %s; echo up; exec sleep 100", f->out);
    add(f, "slow", text);
    bench_start(&f->bench, script("slow"));
    while (strchr(content_of_out(f), '\n') == NULL)
        ev_run(f->bench.loop, EVRUN_ONCE); /* it writes, so something happens */
    int pid = 0;
    assert_int_equal(sscanf(content_of_out(f), "%d", &pid), 1);
    prober_free(f->bench.prober);
    f->bench.prober = NULL;
    assert_true(is_gone(pid));
}

static void wrong_sections_are_named(void **state)
{
    struct fixture *f = *state;
    struct err e;
    struct config_script s = {.name = "disk", .command = (char[]){"df -h"}};
    assert_int_equal(prober_set_scripts(f->bench.prober, &s, 1, &e), ERR_BADARG);
    assert_string_equal(e.text, "[script disk] command: the absolute path of a program is needed");
    s.command = (char[]){"/bin/df"};
    s.user = (char[]){"no-such-user"};
    assert_int_equal(prober_set_scripts(f->bench.prober, &s, 1, &e), ERR_BADARG);
    assert_string_equal(e.text, "[script disk] user: there is no user \"no-such-user\"");
}

static void user_is_changed_for_good(void **state)
{
    struct fixture *f = *state;
    const struct passwd *other = getpwnam("nobody");
    if (other != NULL && other->pw_uid == geteuid())
        other = getpwnam("daemon");
    if (other == NULL)
        skip();
    char user[32], expected[128];
    snprintf(user, sizeof(user), "%s", other->pw_name);
    add(f, "who", "id -u; id -g")->user = user;
    struct err e;
    int rc = prober_set_scripts(f->bench.prober, f->scripts, f->n, &e);
    if (geteuid() != 0) {
        snprintf(expected, sizeof(expected), "[script who] user: only a server that runs as root can run scripts as \"%s\"",
                 user);
        assert_int_equal(rc, ERR_BADARG);
        assert_string_equal(e.text, expected);
        return;
    }
    assert_int_equal(rc, 0);
    snprintf(expected, sizeof(expected), "exit 0: %u", (unsigned)other->pw_uid);
    bench_expect(&f->bench, script("who"), CHECK_PASSING, expected);
}

/* ── out of memory, injected ── */

static void no_memory_for_a_prober(void **state)
{
    struct fixture *f = *state;
    add(f, "ok", "exit 0");
    long live = heap_live();
    unsigned n = 0;
    for (;; n++) {
        struct prober_options o = {.loop = f->bench.loop, .ca_file = "/dev/null", .scripts = f->scripts, .n_scripts = f->n};
        struct prober *p = NULL;
        struct err e;
        heap_fail_at(n);
        int rc = prober_new(&o, &p, &e);
        if (!heap_reset()) {
            assert_int_equal(rc, 0);
            prober_free(p);
            break;
        }
        assert_int_equal(rc, ERR_NOMEM);
        assert_int_equal(heap_live(), live);
    }
    assert_int_equal(heap_live(), live);
    assert_true(n >= 6);
}

static void no_memory_for_a_probe(void **state)
{
    struct fixture *f = *state;
    add(f, "ok", "exit 0");
    struct check_spec specs[] = {script("ok"), script("nobody"), {.type = CHECK_TCP, .host = "", .timeout_ms = 100}};
    for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
        long live = heap_live(), place = specs[i].type == CHECK_TCP; /* the first to a target makes its place, which stays */
        struct probe_job job = {.probe = 1, .spec = &specs[i], .desc = f->bench.desc, .service = "web", .id = "w1"};
        struct err e;
        unsigned n = 0;
        for (;; n++) {
            heap_fail_at(n);
            int rc = prober_start(f->bench.prober, &job, &e);
            if (!heap_reset())
                break;
            assert_int_equal(rc, ERR_NOMEM);
            assert_in_range(heap_live(), live, live + place);
        }
        assert_true(n >= 1);
        bench_wait(&f->bench, 1); /* the one that was started in the end */
    }
    assert_int_equal(f->bench.n, 3); /* and no other */
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(exit_status_decides),
        TEST(signal_is_critical),
        TEST(output_is_made_printable),
        TEST(unknown_name_is_critical),
        TEST(what_cannot_be_run_says_why),
        TEST(timeout_kills_the_group),
        TEST(configuration_bounds_the_timeout),
        TEST(what_is_left_behind_is_killed),
        TEST(output_is_capped),
        TEST(environment_holds_the_instance),
        TEST(command_has_arguments_and_no_shell),
        TEST(descriptors_are_closed),
        TEST(signals_are_default),
        TEST(many_run_at_once),
        TEST(prober_free_kills),
        TEST(wrong_sections_are_named),
        TEST(user_is_changed_for_good),
        TEST(no_memory_for_a_prober),
        TEST(no_memory_for_a_probe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
