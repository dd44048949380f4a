#include "actors/dialer/connection.hpp"
#include "actors/dialer/dialer.hpp"
#include "executors/helper/frames.hpp"
#include "tests/support/scripted_transport.hpp"
#include "tests/support/virtual_system.hpp"

#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <unistd.h>

using namespace muster;
using namespace std::chrono_literals;

namespace {

/// A file that stands for muster-helper, and the same packed: of that, all that
/// is looked at.
struct helper_file {
  std::string path;
  std::string packed;

  helper_file() {
    char name[] = "/tmp/muster-scenario-XXXXXX";
    auto fd = mkstemp(name);
    path = name;
    if (fd >= 0)
      close(fd);
    std::ofstream{path} << "helper";
    packed = path + ".gz";
    std::ofstream{packed} << std::string("\x1f\x8b\x08", 3)
                          << std::string("\xb0\x7b\x37\x87", 4) // its CRC-32
                          << std::string("\x06\0\0\0", 4);
  }

  ~helper_file() {
    unlink(path.c_str());
    unlink(packed.c_str());
  }
};

struct fixture {
  helper_file helper;
  std::shared_ptr<test::scripted_transport> wire
    = std::make_shared<test::scripted_transport>();
  test::virtual_system world;
  caf::actor parent = world.spawn_idle();
  test::probe<dial_asker_actor> owner = world.spawn_probe<dial_asker_actor>();
  test::probe<stream_asker_actor> job = world.spawn_probe<stream_asker_actor>();
  dialer_actor it;
  instance_id id{"i-1"};

  int64_t unix_seconds = 1'000'000; ///< of the wall clock

  explicit fixture(const std::string& helper_path = {}) {
    it = world.take(
      spawn_dialer(world.sys, parent.address(),
                   std::make_shared<const dial_edge>(
                     wire, helper_path.empty() ? helper.path : helper_path,
                     [this] { return unix_seconds * 1'000'000; })));
  }

  peer me() {
    return {"instance", caf::actor_cast<caf::actor>(owner.handle)};
  }

  void dial_it(int64_t timeout_ms = 60'000) {
    connect_info info;
    info.instance = id.value;
    info.host = "127.0.0.1";
    info.timeout_ms = timeout_ms;
    world.send(it, dial{id, info, 3, me()});
  }

  void session_up() {
    wire->connections.back().second->connected("ssh-ed25519 KEY");
    world.run();
  }

  void session_fails(connection_errc code) {
    wire->connections.back().second->failed({code, "no luck"});
    world.run();
  }

  void command_prints(const std::string& text, int exit_code = 0) {
    wire->commands.back().done(exec_result{exit_code, text, ""});
    world.run();
  }

  void helper_greets() {
    wire->last_stream().sink->opened();
    wire->last_stream().sink->data(frames::encode(frames::welcome{1, "test"}));
    world.run();
  }

  void come_up() {
    dial_it();
    session_up();
    command_prints("ready /run/helper.sock\n");
    helper_greets();
  }

  void open(const char* key) {
    world.send(it, open_stream{id,
                               acquisition_key{key},
                               60'000,
                               {"job", caf::actor_cast<caf::actor>(job.handle)},
                               ""});
  }
};

} // namespace

TEST_CASE("a dial is over when the helper answers") {
  fixture f;
  f.dial_it();
  REQUIRE_EQ(f.wire->connections.size(), 1);
  f.session_up();
  REQUIRE_EQ(f.wire->commands.size(), 1);
  CHECK_EQ(f.owner.count<dialed>(), 0);
  f.command_prints("motd of a login shell\nready /run/helper.sock\n");
  REQUIRE_EQ(f.wire->opened.size(), 1);
  CHECK_EQ(f.wire->last_stream().path, "/run/helper.sock");
  f.helper_greets();
  REQUIRE_EQ(f.owner.count<dialed>(), 1);
  CHECK_FALSE(f.owner.last<dialed>().why);
  CHECK_EQ(f.owner.last<dialed>().host_key, "ssh-ed25519 KEY");
}

TEST_CASE("a helper that is not there is put there, once") {
  fixture f;
  f.dial_it();
  f.session_up();
  f.command_prints("need Linux x86_64\n");
  REQUIRE_EQ(f.wire->commands.size(), 2);
  CHECK(std::filesystem::equivalent(f.wire->commands[1].what.input_file,
                                    f.helper.path));
  f.command_prints("ready /run/helper.sock\n");
  f.helper_greets();
  CHECK_FALSE(f.owner.last<dialed>().why);
  CHECK_EQ(f.wire->commands.size(), 2);
}

TEST_CASE("a helper is sent packed to who can unpack it, and else as it is") {
  fixture f;
  f.dial_it();
  f.session_up();
  f.command_prints("unpacks\nneed Linux x86_64\n");
  REQUIRE_EQ(f.wire->commands.size(), 2);
  CHECK(std::filesystem::equivalent(f.wire->commands[1].what.input_file,
                                    f.helper.packed));
  SUBCASE("a folder without room: the next one, packed") {
    f.command_prints("full 1\n", 1);
    REQUIRE_EQ(f.wire->commands.size(), 3);
    CHECK(std::filesystem::equivalent(f.wire->commands[2].what.input_file,
                                      f.helper.packed));
  }
  SUBCASE("it does not come out right: the same folder, as it is") {
    f.command_prints("packed 2\n", 1);
    REQUIRE_EQ(f.wire->commands.size(), 3);
    CHECK(std::filesystem::equivalent(f.wire->commands[2].what.input_file,
                                      f.helper.path));
    CHECK_NE(f.wire->commands[2].what.command.find("$i -ge 2"),
             std::string::npos);
  }
  f.command_prints("ready /run/helper.sock\n");
  f.helper_greets();
  CHECK_FALSE(static_cast<bool>(f.owner.last<dialed>().why));
}

TEST_CASE("an instance on which no helper can run is used without one") {
  for (const auto* obstacle : {"riscv64", "/h: programs there cannot be run"}) {
    CAPTURE(obstacle);
    fixture f;
    f.dial_it();
    f.session_up();
    if (obstacle[0] == '/') {
      f.command_prints("need Linux x86_64\n");
      f.command_prints(std::string{"none "} + obstacle + "\n", 1);
    } else {
      f.command_prints(std::string{"need Linux "} + obstacle + "\n");
    }
    CHECK_FALSE(static_cast<bool>(f.owner.last<dialed>().why));
    f.open("a");
    CHECK(f.job.last<stream_route>().socket_path.empty());
    CHECK_NE(f.job.last<stream_route>().no_helper.find(obstacle),
             std::string::npos);
    // What a job has left is ended by a search.
    for (const auto* answer : {"left 123\n", "clean\n"}) {
      f.owner.clear();
      f.world.send(f.it, end_leftovers{f.id, acquisition_key{"a"}, f.me()});
      CHECK_NE(f.wire->commands.back().what.command.find("MUSTER_JOB_MARK"),
               std::string::npos);
      f.command_prints(answer);
      REQUIRE_EQ(f.owner.count<leftovers_ended>(), 1);
      CHECK_EQ(f.owner.last<leftovers_ended>().clean, answer[0] == 'c');
    }
  }
}

TEST_CASE("a folder without room for the helper is passed over") {
  fixture f;
  f.dial_it();
  f.session_up();
  f.command_prints("need Linux x86_64\n");
  f.command_prints("full 1\n", 1);
  REQUIRE_EQ(f.wire->commands.size(), 3);
  CHECK(std::filesystem::equivalent(f.wire->commands[2].what.input_file,
                                    f.helper.path));
  CHECK_NE(f.wire->commands[2].what.command.find("$i -ge 2"),
           std::string::npos);
}

TEST_CASE("a helper that takes the stream and says nothing is given 30 s") {
  fixture f;
  f.dial_it();
  f.session_up();
  f.command_prints("ready /run/helper.sock\n");
  f.wire->last_stream().sink->opened();
  f.world.run_for(29s);
  CHECK_EQ(f.owner.count<connection_health>(), 0);
  f.world.run_for(1s);
  REQUIRE_EQ(f.owner.count<connection_health>(), 1);
  CHECK_NE(text_of(f.owner.last<connection_health>().why)
             .find("muster-helper at /run/helper.sock does not answer"),
           std::string::npos);
  f.world.run_for(1s);
  CHECK_EQ(f.wire->connections.size(), 2); // and tried again
}

TEST_CASE("who waits is answered in time, whatever the next try waits for") {
  fixture f;
  f.come_up();
  f.wire->connections.back().second->lost({connection_errc::lost, "reset"});
  f.world.run();
  f.open("a");
  f.world.run_for(1s);
  REQUIRE_EQ(f.wire->connections.size(), 2); // it never answers
  CHECK_EQ(f.job.count<stream_route>(), 0);
  f.world.run_for(60s);
  REQUIRE_EQ(f.job.count<stream_route>(), 1);
  CHECK(f.job.last<stream_route>().why);
}

/// In csh `!` begins what stands for an earlier command, also within single
/// quotes, unless one of these follows.
bool csh_takes(const std::string& command) {
  for (auto at = command.find('!'); at != std::string::npos;
       at = command.find('!', at + 1))
    if (at + 1 < command.size()
        && std::string_view{" \t(=~\"'"}.find(command[at + 1])
             == std::string_view::npos)
      return false;
  return true;
}

TEST_CASE("what is said to an instance is understood by a csh, too") {
  fixture f;
  f.dial_it();
  f.session_up();
  f.command_prints("unpacks\nneed Linux x86_64\n");
  f.command_prints("packed 1\n", 1);
  f.command_prints("none /h: programs there cannot be run\n", 1);
  f.open("a");
  f.world.send(f.it, end_leftovers{f.id, acquisition_key{"a"}, f.me()});
  REQUIRE_EQ(f.wire->commands.size(), 4);
  for (const auto& x : f.wire->commands) {
    CAPTURE(x.what.command);
    CHECK(csh_takes(x.what.command));
  }
}

TEST_CASE("where sockets are not forwarded the helper leads to its own") {
  fixture f;
  f.dial_it();
  f.session_up();
  f.command_prints("at /h/muster-helper-1\nready /h/run-1/socket\n");
  f.wire->last_stream().sink->closed(
    {connection_errc::channel_refused, "prohibited"});
  f.world.run();
  REQUIRE_EQ(f.wire->opened.size(), 2);
  CHECK_NE(f.wire->last_stream().command.command.find("connect --dir"),
           std::string::npos);
  f.wire->last_stream().sink->data("Welcome to i-1\n\001muster\001");
  f.helper_greets();
  CHECK_FALSE(static_cast<bool>(f.owner.last<dialed>().why));
  f.open("a");
  CHECK_EQ(f.job.last<stream_route>().bridge, "/h/muster-helper-1");
  CHECK_EQ(f.job.last<stream_route>().socket_path, "/h/run-1/socket");
}

TEST_CASE("a manager without a helper says what to do") {
  fixture f{"/does/not/exist"};
  f.dial_it();
  CHECK_NE(text_of(f.owner.last<dialed>().why).find("helper_path"),
           std::string::npos);
}

TEST_CASE("a first dial is tried again, ever more slowly, until its deadline") {
  fixture f;
  f.dial_it(10'000);
  for (int i = 0; i < 50 && f.owner.count<dialed>() == 0; ++i) {
    f.session_fails(connection_errc::unreachable);
    f.world.run_for(500ms);
  }
  CHECK_GE(f.wire->connections.size(), 4);
  CHECK_LE(f.wire->connections.size(), 12);
  CHECK(is(f.owner.last<dialed>().why, connection_errc::unreachable));
}

TEST_CASE("another host key is refused at once") {
  fixture f;
  f.dial_it();
  f.session_fails(connection_errc::host_key_mismatch);
  CHECK(is(f.owner.last<dialed>().why, connection_errc::host_key_mismatch));
  f.world.run_for(60s);
  CHECK_EQ(f.wire->connections.size(), 1);
}

TEST_CASE("who refuses a host key tells what to do about the pin") {
  fixture f;
  connect_info info;
  info.host_key = "ssh-ed25519 PINNED";
  f.world.send(f.it, dial{f.id, info, 3, f.me(), "; do this"});
  f.session_fails(connection_errc::host_key_mismatch);
  CHECK_EQ(text_of(f.owner.last<dialed>().why), "no luck; do this");
}

TEST_CASE("a command for the helper is run by it, or refused with the reason") {
  fixture f;
  run_command what{f.id, "'x'", 60'000, f.me(), true, "/input"};
  SUBCASE("a helper runs") {
    f.dial_it();
    f.session_up();
    f.command_prints("at /h/muster-helper-1\nready /run/helper.sock\n");
    f.helper_greets();
    f.world.send(f.it, what);
    const auto& asked = f.wire->commands.back().what;
    CHECK_EQ(asked.command, "/h/muster-helper-1 'x'");
    CHECK_EQ(asked.input_file, "/input");
  }
  SUBCASE("none can") {
    f.dial_it();
    f.session_up();
    f.command_prints("need Linux aarch64\n");
    f.world.send(f.it, what);
    CHECK(is(f.owner.last<command_ended>().why,
             connection_errc::helper_unavailable));
  }
}

TEST_CASE("a command that the connection breaks under is answered") {
  fixture f;
  f.come_up();
  f.world.send(f.it, run_command{f.id, "sleep 9", 60'000, f.me()});
  f.wire->connections.back().second->lost({connection_errc::lost, "reset"});
  f.world.run();
  REQUIRE_EQ(f.owner.count<command_ended>(), 1);
  CHECK(is(f.owner.last<command_ended>().why, connection_errc::lost));
}

TEST_CASE("credentials that expire are renewed before a dial, not after it") {
  fixture f;
  connect_info info;
  info.host = "first";
  info.timeout_ms = 600'000;
  info.expires_at = f.unix_seconds + 60;
  f.world.send(f.it, dial{f.id, info, 3, f.me()});
  REQUIRE_EQ(f.wire->connections.size(), 1);
  CHECK_EQ(f.owner.count<info_wanted>(), 0);
  f.unix_seconds += 55;
  f.session_fails(connection_errc::unreachable);
  f.world.run_for(1s);
  CHECK_EQ(f.wire->connections.size(), 1);
  REQUIRE_EQ(f.owner.count<info_wanted>(), 1);
  SUBCASE("renewed") {
    info.host = "second";
    info.expires_at = f.unix_seconds + 60;
    f.world.send(f.it, renew_info{f.id, info, {}});
    REQUIRE_EQ(f.wire->connections.size(), 2);
    CHECK_EQ(f.wire->targets.back().host, "second");
    f.session_up();
    f.command_prints("ready /run/helper.sock\n");
    f.helper_greets();
    CHECK_FALSE(f.owner.last<dialed>().why);
    // Later: the pinned key stays with new credentials.
    f.unix_seconds += 100;
    f.wire->connections.back().second->lost({connection_errc::lost, "reset"});
    f.world.run_for(1s);
    REQUIRE_EQ(f.owner.count<info_wanted>(), 2);
    f.world.send(f.it, renew_info{f.id, info, {}});
    CHECK_EQ(f.wire->targets.back().host_key, "ssh-ed25519 KEY");
  }
  SUBCASE("not to be had: a failed try, and asked for again") {
    f.world.send(
      f.it, renew_info{f.id, {}, error_of(provider_errc::call_failed, "no")});
    auto why = f.owner.last<connection_health>().why;
    CHECK_EQ(text_of(why),
             "connect info expired, and there is no other way: no");
    f.world.run_for(2s);
    CHECK_EQ(f.owner.count<info_wanted>(), 2);
  }
  SUBCASE("no answer: the same") {
    f.world.run_for(61s);
    CHECK_GE(f.owner.last<connection_health>().failures, 2);
    f.world.run_for(2s);
    CHECK_EQ(f.owner.count<info_wanted>(), 2);
  }
}

TEST_CASE(
  "credentials that are refused are asked for anew before the next try") {
  fixture f;
  f.dial_it();
  f.session_fails(connection_errc::not_authenticated);
  f.world.run_for(1s);
  CHECK_EQ(f.wire->connections.size(), 1);
  REQUIRE_EQ(f.owner.count<info_wanted>(), 1);
  connect_info info;
  info.host = "second";
  info.timeout_ms = 60'000;
  f.world.send(f.it, renew_info{f.id, info, {}});
  REQUIRE_EQ(f.wire->connections.size(), 2);
  CHECK_EQ(f.wire->targets.back().host, "second");
  // Another failure says nothing against them.
  f.session_fails(connection_errc::unreachable);
  f.world.run_for(1s);
  CHECK_EQ(f.wire->connections.size(), 3);
  CHECK_EQ(f.owner.count<info_wanted>(), 1);
}

TEST_CASE("a stream is routed at once while the connection is up") {
  fixture f;
  f.come_up();
  f.open("a");
  auto route = f.job.last<stream_route>();
  CHECK_FALSE(route.why);
  CHECK_EQ(route.socket_path, "/run/helper.sock");
  CHECK_NE(route.connection, 0);
}

TEST_CASE("a broken connection is made again and who waits is served") {
  fixture f;
  f.come_up();
  f.wire->connections.back().second->lost({connection_errc::lost, "reset"});
  f.world.run();
  CHECK_FALSE(f.owner.last<connection_health>().up);
  f.open("a");
  CHECK_EQ(f.job.count<stream_route>(), 0);
  f.world.run_for(1s);
  REQUIRE_EQ(f.wire->connections.size(), 2);
  CHECK_EQ(f.wire->targets.back().host_key, "ssh-ed25519 KEY"); // pinned
  f.session_up();
  f.command_prints("ready /run/helper.sock\n");
  f.helper_greets();
  CHECK(f.owner.last<connection_health>().up);
  CHECK_FALSE(f.job.last<stream_route>().why);
  CHECK_EQ(f.job.last<stream_route>().connection,
           f.wire->connections.back().first);
}

TEST_CASE("an instance that stays away is given up after the threshold") {
  fixture f;
  f.come_up();
  f.wire->connections.back().second->lost({connection_errc::lost, "reset"});
  f.world.run();
  f.open("a");
  for (int i = 0; i < 100 && !f.owner.last<connection_health>().given_up; ++i) {
    f.world.run_for(1s);
    f.session_fails(connection_errc::unreachable);
  }
  auto health = f.owner.last<connection_health>();
  CHECK(health.given_up);
  CHECK_GE(health.failures, 3);
  CHECK(f.job.last<stream_route>().why);
  auto tries = f.wire->connections.size();
  f.world.run_for(10min);
  CHECK_EQ(f.wire->connections.size(), tries); // no load from a dead host
}

TEST_CASE("a helper that dies is started again on the same machine") {
  fixture f;
  f.come_up();
  f.wire->last_stream().sink->closed({connection_errc::closed, "gone"});
  f.world.run();
  CHECK_FALSE(f.owner.last<connection_health>().up);
  f.world.run_for(1s);
  f.session_up();
  f.command_prints("ready /run/helper.sock\n");
  f.helper_greets();
  CHECK(f.owner.last<connection_health>().up);
}

TEST_CASE("a helper whose socket is gone is started again") {
  fixture f;
  f.come_up();
  for (int i = 1; i <= 3; ++i) {
    f.open("k");
    CHECK_EQ(f.job.count<stream_route>(), i);
  }
  f.open("other"); // which did not try yet
  CHECK_EQ(f.job.count<stream_route>(), 4);
  f.open("k");
  CHECK_EQ(f.job.count<stream_route>(), 4);
  CHECK_FALSE(f.owner.last<connection_health>().up);
  f.world.run_for(1s);
  REQUIRE_EQ(f.wire->connections.size(), 2);
  f.session_up();
  f.command_prints("ready /run/another.sock\n");
  f.helper_greets();
  CHECK_EQ(f.job.count<stream_route>(), 5);
  CHECK_EQ(f.job.last<stream_route>().socket_path, "/run/another.sock");
  f.open("k"); // counted anew
  CHECK_EQ(f.job.count<stream_route>(), 6);
}

TEST_CASE("cleaning is answered by the helper, or not clean after a minute") {
  fixture f;
  f.come_up();
  f.world.send(f.it, end_leftovers{f.id, acquisition_key{"a"}, f.me()});
  SUBCASE("answered") {
    f.wire->last_stream().sink->data(
      frames::encode(frames::cleaned{"a", true, ""}));
    f.world.run();
    CHECK(f.owner.last<leftovers_ended>().clean);
  }
  SUBCASE("silence") {
    f.world.run_for(59s);
    CHECK_EQ(f.owner.count<leftovers_ended>(), 0);
    f.world.run_for(2s);
    REQUIRE_EQ(f.owner.count<leftovers_ended>(), 1);
    CHECK_FALSE(f.owner.last<leftovers_ended>().clean);
  }
  SUBCASE("asked again after a reconnect") {
    f.wire->connections.back().second->lost({connection_errc::lost, "reset"});
    f.world.run();
    f.world.run_for(1s);
    f.session_up();
    f.command_prints("ready /run/helper.sock\n");
    f.helper_greets();
    CHECK_NE(
      f.wire->last_stream().sent.find(frames::encode(frames::clean{"a"})),
      std::string::npos);
  }
}

TEST_CASE("bytes that are not the helper's protocol end the connection") {
  fixture f;
  f.dial_it();
  f.session_up();
  f.command_prints("ready /run/helper.sock\n");
  f.wire->last_stream().sink->data(std::string(64, '\xff'));
  f.world.run();
  CHECK_FALSE(f.wire->disconnected.empty());
  CHECK_EQ(f.owner.count<dialed>(), 0);
}

TEST_CASE("hanging up ends the session") {
  fixture f;
  f.come_up();
  f.world.send(f.it, hang_up{f.id});
  CHECK_EQ(f.wire->disconnected.back(), f.wire->connections.back().first);
  f.open("a"); // as if it had never been dialed
  f.world.run_for(61s);
  CHECK(f.job.last<stream_route>().why);
}

TEST_CASE("sessions end when the manager dies") {
  fixture f;
  f.come_up();
  f.world.stop(f.parent);
  CHECK_EQ(f.wire->disconnected.back(), f.wire->connections.back().first);
}

TEST_CASE("who asks before the instance is dialed waits for it") {
  fixture f;
  f.open("a");
  f.world.send(f.it, end_leftovers{f.id, acquisition_key{"b"}, f.me()});
  CHECK_EQ(f.job.count<stream_route>(), 0);
  f.come_up();
  REQUIRE_EQ(f.job.count<stream_route>(), 1);
  CHECK_FALSE(static_cast<bool>(f.job.last<stream_route>().why));
  CHECK_NE(f.wire->last_stream().sent.find(frames::encode(frames::clean{"b"})),
           std::string::npos);
}

TEST_CASE("an instance that nobody dials is waited for until the deadline") {
  fixture f;
  f.open("a");
  f.world.run_for(59s);
  CHECK_EQ(f.job.count<stream_route>(), 0);
  f.world.run_for(2s);
  REQUIRE_EQ(f.job.count<stream_route>(), 1);
  CHECK_NE(text_of(f.job.last<stream_route>().why).find("i-1"),
           std::string::npos);
  f.come_up(); // and can be dialed all the same
  f.open("b");
  CHECK_FALSE(static_cast<bool>(f.job.last<stream_route>().why));
}
