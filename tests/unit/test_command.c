/* The verbs, their replies word by word and their errors, without a socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "protocol_world.h"

static struct protocol_world w;

static int setup(void **state)
{
    protocol_world_init(&w, NULL);
    return 0;
}

static int setup_password(void **state)
{
    protocol_world_init(&w, "sesame");
    return 0;
}

static int teardown(void **state)
{
    protocol_world_fini(&w);
    return 0;
}

#define expect(text, reply) assert_string_equal(protocol_say(&w, text), reply)

static void expect_start(const char *text, const char *start)
{
    const char *reply = protocol_say(&w, text);

    if (strncmp(reply, start, strlen(start)) != 0)
        fail_msg("%s replied %s, which should begin with %s", text, reply, start);
}

static void expect_has(const char *text, const char *part)
{
    const char *reply = protocol_say(&w, text);

    if (strstr(reply, part) == NULL)
        fail_msg("%s replied %s, which should hold %s", text, reply, part);
}

static void a_registration_lives_and_ends(void **state)
{
    expect("REGISTER web 10.0.0.5 8080 ID a TTL 10s\n", "*3\r\n$1\r\na\r\n:10\r\n:1001\r\n");
    expect("renew web a\n", ":10\r\n");
    expect("RENEW WEB A\n", ":10\r\n");
    protocol_advance(&w, 9900);
    expect("RENEW web a\n", ":10\r\n");
    protocol_advance(&w, 10100);
    expect_start("RENEW web a\n", "-NOLEASE ");
    expect("REGISTER web 10.0.0.5 8080\n", "*3\r\n$13\r\n10-0-0-5-8080\r\n:30\r\n:1003\r\n");
    expect("DEREGISTER web 10-0-0-5-8080\n", ":1\r\n");
    expect("DEREGISTER web 10-0-0-5-8080\n", ":0\r\n");
}

static void repeating_a_registration_renews_it(void **state)
{
    expect("REGISTER web 10.0.0.5 80 ID a\n", "*3\r\n$1\r\na\r\n:30\r\n:1001\r\n");
    expect("REGISTER web 10.0.0.5 80 ID a\n", "*3\r\n$1\r\na\r\n:30\r\n:1001\r\n");
    expect("REGISTER web 10.0.0.5 80 ID a WEIGHT 3\n", "*3\r\n$1\r\na\r\n:30\r\n:1002\r\n");
}

static void every_option_arrives(void **state)
{
    expect_start("REGISTER web 10.0.0.5,2001:db8::1 8080 id a ttl 5m WEIGHT 3 PRIORITY 2 TAG v1 TAG blue META k v META k2 \"v 2\" "
                 "PORT http 80 PORT stats 9/udp CHECK \"ttl 15s\"\n",
                 "*3\r\n$1\r\na\r\n:300\r\n");
    expect("LIST web\n",
           "*1\r\n*28\r\n$2\r\nid\r\n$1\r\na\r\n$7\r\naddress\r\n$20\r\n10.0.0.5,2001:db8::1\r\n$4\r\nport\r\n:8080\r\n"
           "$5\r\nstate\r\n$8\r\nstarting\r\n$6\r\nweight\r\n:3\r\n$8\r\npriority\r\n:2\r\n$4\r\ntags\r\n*2\r\n$2\r\nv1\r\n$4\r\nblue\r\n"
           "$4\r\nmeta\r\n*4\r\n$1\r\nk\r\n$1\r\nv\r\n$2\r\nk2\r\n$3\r\nv 2\r\n"
           "$5\r\nports\r\n*2\r\n*3\r\n$4\r\nhttp\r\n:80\r\n$3\r\ntcp\r\n*3\r\n$5\r\nstats\r\n:9\r\n$3\r\nudp\r\n"
           "$5\r\nlease\r\n:300\r\n$4\r\nleft\r\n:300\r\n$10\r\nregistered\r\n:0\r\n$8\r\nrevision\r\n:1001\r\n"
           "$6\r\nchecks\r\n*1\r\n*8\r\n$5\r\ncheck\r\n$7\r\nttl 15s\r\n$6\r\nstatus\r\n$4\r\nnone\r\n$5\r\nsince\r\n:0\r\n"
           "$6\r\noutput\r\n$-1\r\n");
    expect("REPORT web a PASSING \"all is well\"\n", "+OK\r\n");
    expect_has("LIST web\n", "$5\r\nstate\r\n$7\r\npassing\r\n");
    expect_has("LIST web\n", "$11\r\nall is well\r\n");
}

static void a_lease_is_told_in_whole_seconds(void **state)
{
    expect("REGISTER web 10.0.0.5 80 ID a TTL 1500ms\n", "*3\r\n$1\r\na\r\n:2\r\n:1001\r\n");
    protocol_advance(&w, 1000);
    expect_has("LIST web\n", "$4\r\nleft\r\n:1\r\n");
    expect("RENEW web a\n", ":2\r\n");
}

static void permanent_instances_have_no_end(void **state)
{
    expect("REGISTER web 10.0.0.5 80 ID a TTL 0\n", "*3\r\n$1\r\na\r\n:0\r\n:1001\r\n");
    expect_has("LIST web\n", "$5\r\nlease\r\n:0\r\n$4\r\nleft\r\n$-1\r\n");
    w.options.allow_permanent = false;
    expect_start("REGISTER web 10.0.0.6 80 TTL 0\n", "-BADARG TTL 0 (permanent) needs allow_permanent");
}

static void services_are_listed_with_their_states(void **state)
{
    expect("LIST\n", "*0\r\n");
    expect_start("REGISTER User_Service 10.0.0.5 80 ID a\nREGISTER user-service 10.0.0.6 80 CHECK \"ttl 5s\"\n", "*3\r\n");
    expect("LIST\n", "*1\r\n*24\r\n$4\r\nname\r\n$12\r\nUser_Service\r\n$10\r\nregistered\r\n:2\r\n$6\r\nserved\r\n:1\r\n"
                     "$8\r\nstarting\r\n:1\r\n$7\r\npassing\r\n:1\r\n$7\r\nwarning\r\n:0\r\n$8\r\ncritical\r\n:0\r\n$8\r\ndraining\r\n:0\r\n"
                     "$11\r\nmaintenance\r\n:0\r\n$4\r\nheld\r\n:0\r\n$4\r\nlost\r\n:0\r\n$8\r\nrevision\r\n:1002\r\n");
    expect("LIST nobody\n", "*0\r\n");
    expect_start("LIST user_service CONSISTENT\n", "*2\r\n");
    expect_start("LIST CONSISTENT\n", "*1\r\n*24\r\n");
}

static void draining_and_reporting(void **state)
{
    expect_start("REGISTER web 10.0.0.5 80 ID a CHECK \"ttl 15s\"\n", "*3");
    expect("REPORT web a warning\n", "+OK\r\n");
    expect_has("LIST web\n", "$7\r\nwarning\r\n");
    expect("DRAIN web a\n", ":5\r\n");
    expect_has("LIST web\n", "$8\r\ndraining\r\n");
    expect_start("DRAIN web a OFF\n", ":");
    expect_has("LIST web\n", "$7\r\nwarning\r\n");
    expect_start("DRAIN web b\n", "-NOLEASE ");
}

static void a_held_id_may_not_come_back(void **state)
{
    expect_start("REGISTER web 10.0.0.5 80 ID a\n", "*3");
    expect("DEREGISTER web a HOLD 10s\n", ":1\r\n");
    expect_start("REGISTER web 10.0.0.5 80 ID a\n", "-UNAVAILABLE ");
    protocol_advance(&w, 10100);
    expect_start("REGISTER web 10.0.0.5 80 ID a\n", "*3");
}

static void one_is_picked(void **state)
{
    expect("PICK web\n", "-UNAVAILABLE nobody has registered \"web\"\r\n");
    expect_start("REGISTER web 10.0.0.5,2001:db8::1 80 ID a TAG v1 PORT m 9\n", "*3");
    expect("PICK web\n", "*3\r\n$8\r\n10.0.0.5\r\n:80\r\n$1\r\na\r\n");
    expect("PICK web TAG v1 PORT m\n", "*3\r\n$8\r\n10.0.0.5\r\n:9\r\n$1\r\na\r\n");
    expect("DRAIN web a\nPICK web\n", ":5\r\n-UNAVAILABLE 1 registered, 0 served\r\n");
}

static void a_session_ends_with_its_connection(void **state)
{
    expect_start("REGISTER web 10.0.0.5 80 ID a SESSION\nREGISTER web 10.0.0.6 80 ID b\n", "*3");
    protocol_reconnect(&w);
    protocol_advance(&w, 5200);
    expect_start("RENEW web a\n", "-NOLEASE");
    expect("RENEW web b\n", ":30\r\n");
}

static void replies_keep_the_order_of_requests(void **state)
{
    expect("REGISTER web 10.0.0.5 80 ID a\nPING\nRENEW web a\nRENEW web b\nNOSUCH\nPING x\nPICK web\nDEREGISTER web a\nPICK web\n",
           "*3\r\n$1\r\na\r\n:30\r\n:1001\r\n+PONG\r\n:30\r\n-NOLEASE no instance \"b\" of service \"web\"; register again\r\n"
           "-BADARG unknown verb \"NOSUCH\"; HELP lists the verbs\r\n$1\r\nx\r\n*3\r\n$8\r\n10.0.0.5\r\n:80\r\n$1\r\na\r\n:1\r\n"
           "-UNAVAILABLE nobody has registered \"web\"\r\n");
}

/* Each names the argument and what would be right. */
static void errors_say_what_would_be_right(void **state)
{
    static const struct {
        const char *say, *start;
    } cases[] = {
        {"RENW web a\n", "-BADARG unknown verb \"RENW\"; did you mean RENEW?"},
        {"REGSITER\n", "-BADARG unknown verb \"REGSITER\"; did you mean REGISTER?"},
        {"RENEW web\n", "-BADARG RENEW does not take 1 argument: RENEW <service> <id>"},
        {"RENEW web a b\n", "-BADARG RENEW does not take 3 arguments: RENEW <service> <id>"},
        {"REGISTER web 10.0.0.5\n", "-BADARG REGISTER does not take 2 arguments: REGISTER <service> <address> <port>"},
        {"REGISTER web 10.0.0.5 80 WIEGHT 3\n", "-BADARG argument 4: REGISTER has no \"WIEGHT\"; did you mean WEIGHT?"},
        {"REGISTER web 10.0.0.5 80 bla\n", "-BADARG argument 4: \"bla\" should be ID, TTL, "},
        {"REGISTER web 10.0.0.5 80 TTL\n", "-BADARG argument 4: TTL lacks its value: TTL duration"},
        {"REGISTER web 10.0.0.5 80 META k\n", "-BADARG argument 4: META lacks its value: META k v"},
        {"REGISTER web 10.0.0.5 80 TTL 5s TTL 6s\n", "-BADARG argument 6: TTL is given twice"},
        {"REGISTER web 10.0.0.5 80 TTL 5x\n", "-BADARG TTL \"5x\" must be a duration such as 500ms, 30s, 5m or 1h"},
        {"REGISTER web 10.0.0.5 80 TTL 500ms\n", "-BADARG TTL \"500ms\" must be 1s to "},
        {"REGISTER web 10.0.0.5 80 TTL 2d\n", "-BADARG TTL \"2d\" must be 1s to "},
        {"REGISTER web 10.0.0.500 80\n", "-BADARG "},
        {"REGISTER web 10.0.0.5 80000\n", "-BADARG "},
        {"REGISTER -web 10.0.0.5 80\n", "-BADARG "},
        {"REGISTER web 10.0.0.5 80 CHECK \"htp://:80/\"\n", "-BADARG "},
        {"DEREGISTER web a HOLDD 5s\n", "-BADARG argument 3 (\"HOLDD\") must be HOLD"},
        {"DEREGISTER web a HOLD\n", "-BADARG argument 3: HOLD lacks its value"},
        {"DEREGISTER web a HOLD 5y\n", "-BADARG HOLD \"5y\" must be a duration of at most "},
        {"DRAIN web a ON\n", "-BADARG argument 3 (\"ON\") must be OFF"},
        {"REPORT web a PASSED\n", "-BADARG argument 3 (\"PASSED\") must be PASSING, WARNING or CRITICAL"},
        {"REPORT web a PASSING\n", "-NOLEASE "},
        {"PICK web TAG\n", "-BADARG argument 2: TAG lacks its value"},
        {"PICK web TAG a TAG b\n", "-BADARG argument 4: TAG is given twice"},
        {"PICK web NAME a\n", "-BADARG argument 2 (\"NAME\") must be TAG t or PORT name"},
        {"LIST we!b\n", "-BADARG "},
        {"LIST web SOON\n", "-BADARG argument 2 (\"SOON\") must be CONSISTENT"},
        {"WATCH we!b\n", "-BADARG "},
        {"WATCH web FORM 5\n", "-BADARG argument 2 (\"FORM\") must be FROM, followed by a revision"},
        {"WATCH FROM x5\n", "-BADARG argument 2 (\"x5\") must be a revision"},
        {"WATCH FROM 99999999999999999999\n", "-BADARG argument 2"},
        {"SUBSCRIBE web we!b\n", "-BADARG argument 2: "},
        {"INFO weather\n", "-BADARG INFO has no section \"weather\""},
        {"HELP weather\n", "-BADARG there is no verb \"weather\""},
        {"SELECT 1\n", "-BADARG argument 1 (\"1\") must be 0"},
        {"CONFIG SET save x\n", "-BADARG only CONFIG GET"},
        {"CLIENT KILL x\n", "-BADARG argument 1 (\"KILL\") must be ID, "},
        {"AUTH x\n", "-BADARG this server has no password"},
        {"HELLO 4\n", "-NOPROTO "},
        {"HELLO 3 SETNAM x\n", "-BADARG argument 2 (\"SETNAM\") must be AUTH"},
        {"COMMAND GETKEYS x\n", "-BADARG argument 1 (\"GETKEYS\") must be COUNT, LIST, INFO or DOCS"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        expect_start(cases[i].say, cases[i].start);
        assert_false(w.is_closed);
    }
    assert_int_equal(registry_revision(w.registry), 1000);
}

static void what_redis_clients_ask_is_answered(void **state)
{
    expect("PING\n", "+PONG\r\n");
    expect("PING hello\n", "$5\r\nhello\r\n");
    expect("SELECT 0\n", "+OK\r\n");
    expect("CLIENT SETNAME me\nCLIENT GETNAME\nCLIENT ID\n", "+OK\r\n$2\r\nme\r\n:1\r\n");
    expect("CLIENT SETINFO LIB-NAME redis-py\n", "+OK\r\n");
    expect_start("CLIENT SETNAME \"a b\"\n", "-BADARG ");
    expect("CONFIG GET save\nCONFIG GET appendonly\nCONFIG GET maxmemory\n",
           "*2\r\n$4\r\nsave\r\n$0\r\n\r\n*2\r\n$10\r\nappendonly\r\n$2\r\nno\r\n*0\r\n");
    expect("COMMAND INFO renew nosuch\n", "*2\r\n*6\r\n$5\r\nrenew\r\n:3\r\n*1\r\n+fast\r\n:0\r\n:0\r\n:0\r\n$-1\r\n");
    expect("COMMAND DOCS drain\n", "*2\r\n$5\r\ndrain\r\n*6\r\n$7\r\nsummary\r\n$82\r\ntakes an instance out of the answers; "
                                   "answers the seconds until it is safe to stop\r\n$5\r\nsince\r\n$5\r\n0.1.0\r\n"
                                   "$5\r\ngroup\r\n$7\r\ngeneric\r\n");
    expect_start("COMMAND COUNT\n", ":");
    expect_start("COMMAND\n", "*");
    expect_start("COMMAND LIST\n", "*");
    expect_start("HELP\n", "*");
    expect("HELP renew\n", "*2\r\n$20\r\nRENEW <service> <id>\r\n$66\r\n"
                           "    renews a lease; answers its seconds, -NOLEASE if there is none\r\n");
}

static void hello_chooses_the_protocol(void **state)
{
    expect("HELLO\n", "*14\r\n$6\r\nserver\r\n$8\r\nrollcall\r\n$7\r\nversion\r\n$5\r\n0.1.0\r\n$5\r\nproto\r\n:2\r\n$2\r\nid\r\n:1\r\n"
                      "$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n");
    expect_start("HELLO 3 SETNAME me\n", "%7\r\n$6\r\nserver\r\n");
    expect("CLIENT GETNAME\n", "$2\r\nme\r\n");
    expect_start("REGISTER web 10.0.0.5 80 ID a META k v\n", "*3");
    expect_start("LIST web\n", "*1\r\n%14\r\n$2\r\nid\r\n");
    expect_has("LIST web\n", "$4\r\nmeta\r\n%1\r\n");
    expect("RESET\nCLIENT GETNAME\n", "+RESET\r\n$-1\r\n");
}

static void a_password_is_wanted(void **state)
{
    expect_start("RENEW web a\n", "-NOAUTH this server wants a password");
    expect_start("PING\n", "-NOAUTH ");
    expect_start("HELLO 3\n", "-NOAUTH ");
    expect_start("AUTH sesam\n", "-NOAUTH the password is wrong");
    expect_start("AUTH sesamee\n", "-NOAUTH ");
    expect_start("AUTH \"\"\n", "-NOAUTH ");
    expect_start("AUTH root sesame\n", "-NOAUTH ");
    expect_start("PING\n", "-NOAUTH ");
    assert_int_equal(w.client.auth_failures, 4);
    expect("AUTH default sesame\nPING\n", "+OK\r\n+PONG\r\n");
    expect_start("RESET\nPING\n", "+RESET\r\n-NOAUTH ");
    expect("AUTH sesame\nPING\n", "+OK\r\n+PONG\r\n");
    protocol_reconnect(&w);
    expect_start("HELLO 3 AUTH default sesame SETNAME x\n", "%7\r\n");
    expect("PING\n", "+PONG\r\n");
}

static void figures(void **state)
{
    expect_start("REGISTER web 10.0.0.5 80 ID a\n", "*3");
    expect_has("INFO\n", "# Registry\r\nrevision:1001\r\nservices:1\r\ninstances:1\r\nserved:1\r\n");
    expect_has("INFO REGISTRY\n", "state_passing:1\r\n");
    expect_has("INFO everything\n", "registers_total:1\r\n");
}

static void quit_and_noise_end_the_connection(void **state)
{
    expect("QUIT\nPING\n", "+OK\r\n");
    assert_true(w.is_closed);
    protocol_reconnect(&w);
    expect_start("POST /x HTTP/1.1\r\nHost: localhost\r\n\r\nREGISTER evil 10.0.0.1 80\r\n", "-BADARG this port speaks the rollcall");
    assert_true(w.is_closed);
    protocol_reconnect(&w);
    expect_start("Host: localhost\n", "-BADARG this port speaks");
    assert_true(w.is_closed);
    protocol_reconnect(&w);
    expect_start("*1\r\n:4\r\n", "-BADARG framing: byte 0x3a");
    assert_true(w.is_closed);
    protocol_reconnect(&w);
    expect("LIST\n", "*0\r\n");
}

/* The table is what HELP, COMMAND and the manual are made of. */
static void the_table_is_complete(void **state)
{
    size_t n;
    const struct command *all = command_table(&n);

    for (size_t i = 0; i < n; i++) {
        struct resp_arg verb = {.text = strdup(all[i].name), .len = strlen(all[i].name)};
        assert_ptr_equal(command_find(&verb), &all[i]);
        free(verb.text);
        assert_true(all[i].min >= 1 && (all[i].max == 0 || all[i].max >= all[i].min));
        assert_true(strlen(all[i].help) > 10 && all[i].usage != NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_registration_lives_and_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(repeating_a_registration_renews_it, setup, teardown),
        cmocka_unit_test_setup_teardown(every_option_arrives, setup, teardown),
        cmocka_unit_test_setup_teardown(a_lease_is_told_in_whole_seconds, setup, teardown),
        cmocka_unit_test_setup_teardown(permanent_instances_have_no_end, setup, teardown),
        cmocka_unit_test_setup_teardown(services_are_listed_with_their_states, setup, teardown),
        cmocka_unit_test_setup_teardown(draining_and_reporting, setup, teardown),
        cmocka_unit_test_setup_teardown(a_held_id_may_not_come_back, setup, teardown),
        cmocka_unit_test_setup_teardown(one_is_picked, setup, teardown),
        cmocka_unit_test_setup_teardown(a_session_ends_with_its_connection, setup, teardown),
        cmocka_unit_test_setup_teardown(replies_keep_the_order_of_requests, setup, teardown),
        cmocka_unit_test_setup_teardown(errors_say_what_would_be_right, setup, teardown),
        cmocka_unit_test_setup_teardown(what_redis_clients_ask_is_answered, setup, teardown),
        cmocka_unit_test_setup_teardown(hello_chooses_the_protocol, setup, teardown),
        cmocka_unit_test_setup_teardown(a_password_is_wanted, setup_password, teardown),
        cmocka_unit_test_setup_teardown(figures, setup, teardown),
        cmocka_unit_test_setup_teardown(quit_and_noise_end_the_connection, setup, teardown),
        cmocka_unit_test_setup_teardown(the_table_is_complete, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
