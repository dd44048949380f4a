#include "executors/ssh/keys.hpp"
#include "executors/ssh/wire.hpp"
#include "tests/e2e/ssh/peers.hpp"
#include "tests/support/sshd.hpp"

#include <doctest/doctest.h>
#include <future>

using namespace muster;
using namespace muster::test;
using namespace std::chrono_literals;

namespace {

using clock = std::chrono::steady_clock;

bool mentions(const connection_failure& why, const std::string& part) {
  return why.text.find(part) != std::string::npos;
}

/// Dials a server that is not one and returns how that ended.
connection_failure dial_script(scripted_server::script what,
                               const ssh_options& options = patient()) {
  scripted_server server{std::move(what)};
  ssh_transport ssh{options};
  auto log = dial_and_wait(ssh, 1, server.target());
  auto why = log->wait_end();
  CHECK_EQ(log->ends, 1);
  CHECK(mentions(why, "127.0.0.1:" + std::to_string(server.port())));
  return why;
}

} // namespace

TEST_CASE("a refused connection names address and layer") {
  ssh_transport ssh{patient()};
  connect_info target;
  target.host = "127.0.0.1";
  target.port = free_port();
  target.username = "ci";
  target.password = secret{"x"};
  auto why = dial_and_wait(ssh, 1, target)->wait_end();
  CHECK_EQ(why.code, connection_errc::unreachable);
  CHECK_MESSAGE(why.text.starts_with("tcp: connection refused by 127.0.0.1:"
                                     + std::to_string(target.port)),
                why.text);
}

TEST_CASE("a name is resolved, and one that is none is named") {
  sshd server;
  ssh_transport ssh{patient()};
  auto target = server.target();
  target.host = "localhost";
  CHECK_FALSE(dial_and_wait(ssh, 1, target)->ended());
  target.host = "no-such-host.invalid";
  auto why = dial_and_wait(ssh, 2, target)->wait_end();
  CHECK_MESSAGE(mentions(why, "no-such-host.invalid"), why.text);
  CHECK_MESSAGE(why.text.starts_with("name: "), why.text);
}

TEST_CASE("a server that accepts and stays silent fails in the banner layer") {
  auto began = clock::now();
  auto why = dial_script(swallow, {.banner_timeout = 300ms});
  CHECK_GE(clock::now() - began, 300ms);
  CHECK_EQ(why.code, connection_errc::timed_out);
  CHECK_MESSAGE(why.text.starts_with("ssh banner: nothing from"), why.text);
  CHECK_MESSAGE(mentions(why, "within 300ms"), why.text);
}

TEST_CASE("a server that stalls after its banner fails in the key exchange") {
  auto why = dial_script(
    [](int fd) {
      send_all(fd, "SSH-2.0-stall\r\n");
      swallow(fd);
    },
    {.key_exchange_timeout = 300ms});
  CHECK_EQ(why.code, connection_errc::timed_out);
  CHECK_MESSAGE(why.text.starts_with("key exchange: "), why.text);
  CHECK_MESSAGE(mentions(why, "SSH-2.0-stall"), why.text);
}

TEST_CASE("the whole deadline cuts the deadline of a layer") {
  scripted_server server{swallow};
  ssh_transport ssh{patient()};
  auto why = dial_and_wait(ssh, 1, server.target(), 200ms)->wait_end();
  CHECK_EQ(why.code, connection_errc::timed_out);
}

TEST_CASE("a server that hangs up fails in the layer it was in") {
  auto why = dial_script([](int) {});
  CHECK_EQ(why.code, connection_errc::handshake_failed);
  CHECK_MESSAGE(why.text.starts_with("ssh banner: "), why.text);
  why = dial_script([](int fd) { send_all(fd, "SSH-2.0-bye\r\n"); });
  CHECK_EQ(why.code, connection_errc::handshake_failed);
  CHECK_MESSAGE(why.text.starts_with("key exchange: "), why.text);
}

TEST_CASE("what a server of another protocol says is shown") {
  auto why = dial_script(
    [](int fd) { send_all(fd, "HTTP/1.1 400 Bad Request\r\n\r\n"); });
  CHECK_MESSAGE(mentions(why, "HTTP/1.1 400 Bad Request"), why.text);
}

TEST_CASE("garbage after the banner ends the handshake, not the process") {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    auto why = dial_script(
      [seed](int fd) {
        std::string bytes = "SSH-2.0-noise\r\n";
        auto x = seed;
        for (int i = 0; i < 20'000; ++i) {
          x = x * 1'664'525 + 1'013'904'223;
          bytes.push_back(static_cast<char>(x >> 24));
        }
        send_all(fd, bytes);
      },
      {.key_exchange_timeout = 2s});
    CHECK_MESSAGE(why.text.starts_with("key exchange: "), why.text);
  }
}

TEST_CASE("an endless flood before the banner ends by deadline") {
  auto why = dial_script(
    [](int fd) {
      std::string block(64 * 1024, 'x');
      while (send_all(fd, block))
        ;
    },
    {.banner_timeout = 500ms, .key_exchange_timeout = 500ms});
  CHECK_NE(why.code, connection_errc{});
}

TEST_CASE(
  "another host key than the pinned one is refused, the same accepted") {
  sshd server;
  sshd other;
  ssh_transport ssh{patient()};
  auto target = server.target();
  target.host_key = server.host_key() + " a comment";
  CHECK_FALSE(dial_and_wait(ssh, 1, target)->ended());
  target.host_key = other.host_key();
  auto why = dial_and_wait(ssh, 2, target)->wait_end();
  CHECK_EQ(why.code, connection_errc::host_key_mismatch);
  CHECK_MESSAGE(why.text.starts_with("host key: 127.0.0.1:"), why.text);
  CHECK_MESSAGE(mentions(why, "presented SHA256:"), why.text);
  target.host_key = "nonsense";
  CHECK_EQ(dial_and_wait(ssh, 3, target)->wait_end().code,
           connection_errc::host_key_mismatch);
  CHECK_EQ(ssh.counters().connections, 1u);
}

TEST_CASE("of several host keys the one of the pinned type is compared") {
  sshd ecdsa{{.host_key_type = "ecdsa"}};
  sshd both{{.config = {"HostKey " + (ecdsa.home() / "../host_key").string()}}};
  ssh_transport ssh{patient()};
  auto target = both.target();
  CHECK_EQ(dial_and_wait(ssh, 1, target)->host_key, both.host_key());
  target.host_key = ecdsa.host_key();
  CHECK_EQ(dial_and_wait(ssh, 2, target)->host_key, ecdsa.host_key());
}

TEST_CASE("a server with nothing but an RSA host key is told so") {
  sshd server{{.host_key_type = "rsa -b 2048"}};
  ssh_transport ssh{patient()};
  auto why = dial_and_wait(ssh, 1, server.target())->wait_end();
  CHECK_EQ(why.code, connection_errc::handshake_failed);
  CHECK_MESSAGE(mentions(why, "only host keys that cannot be checked"),
                why.text);
  CHECK_MESSAGE(mentions(why, "ed25519"), why.text);
}

TEST_CASE("every kind of user key logs in") {
  const char* kinds[] = {
    "ed25519",
    "ecdsa -b 256",
    "ecdsa -b 384",
    "ecdsa -b 521",
    "rsa -b 2048",
    "rsa -b 2048 -m PEM",
    "rsa -b 2048 -m PKCS8",
    "ecdsa -b 256 -m PKCS8",
    "ecdsa -b 384 -m PEM",
  };
  sshd server;
  ssh_transport ssh{patient()};
  connection_id id = 0;
  for (auto kind : kinds) {
    CAPTURE(kind);
    auto file = (server.home() / ("key" + std::to_string(++id))).string();
    run_command("ssh-keygen -q -N '' -f " + file + " -t " + kind);
    server.authorize(read_text(file + ".pub"));
    auto target = server.target();
    target.key = secret{read_text(file)};
    auto log = dial_and_wait(ssh, id, target);
    CHECK_MESSAGE(!log->ended(), log->wait_end().text);
  }
}

TEST_CASE("an ed25519 key in PKCS#8, which libssh2 cannot load, logs in") {
  sshd server;
  auto file = (server.home() / "key.pem").string();
  run_command("openssl genpkey -algorithm ed25519 -out " + file);
  auto text = read_text(file);
  auto key = ssh::parse_private_key(text);
  REQUIRE_MESSAGE(key, key.error().text);
  server.authorize("ssh-ed25519 "
                   + ssh::base64_encode((*key)->public_blob("ssh-ed25519")));
  ssh_transport ssh{patient()};
  auto target = server.target();
  target.key = secret{text};
  auto log = dial_and_wait(ssh, 1, target);
  CHECK_MESSAGE(!log->ended(), log->wait_end().text);
}

TEST_CASE(
  "a key that the server does not know is refused, with user and kind") {
  sshd server;
  sshd rsa{{.user_key_type = "rsa -b 1024"}};
  ssh_transport ssh{patient()};
  auto target = server.target();
  target.key = secret{rsa.user_key()};
  auto why = dial_and_wait(ssh, 1, target)->wait_end();
  CHECK_EQ(why.code, connection_errc::not_authenticated);
  CHECK_MESSAGE(mentions(why, "user \"" + server.user() + "\" with an RSA key"),
                why.text);
  CHECK_MESSAGE(mentions(why, "it accepts publickey"), why.text);
  target.key = secret{};
  target.password = secret{"guess"};
  why = dial_and_wait(ssh, 2, target)->wait_end();
  CHECK_EQ(why.code, connection_errc::not_authenticated);
  CHECK_FALSE(mentions(why, "guess"));
}

TEST_CASE("a wrong password is refused and never shown") {
  sshd server{{.config = {"PasswordAuthentication yes", "PermitRootLogin yes",
                          "KbdInteractiveAuthentication yes"}}};
  ssh_transport ssh{patient()};
  auto target = server.target();
  target.key = secret{};
  target.password = secret{"guess"};
  auto why = dial_and_wait(ssh, 1, target)->wait_end();
  CHECK_EQ(why.code, connection_errc::not_authenticated);
  CHECK_MESSAGE(mentions(why, "with a password was refused"), why.text);
  CHECK_MESSAGE(mentions(why, "it accepts publickey,password"), why.text);
  CHECK_FALSE(mentions(why, "guess"));
}

TEST_CASE("MaxAuthTries 1 still reads as a refused key") {
  sshd server{{.config = {"MaxAuthTries 1"}}};
  sshd rsa{{.user_key_type = "rsa -b 1024"}};
  ssh_transport ssh{patient()};
  auto target = server.target();
  target.key = secret{rsa.user_key()};
  auto why = dial_and_wait(ssh, 1, target)->wait_end();
  CAPTURE(why.text);
  CHECK(why.text.starts_with("authentication: "));
}

TEST_CASE("an sshd killed amid a stream is lost at once") {
  sshd server;
  unix_server peer{server.home() / "echo", echo};
  ssh_transport ssh{patient()};
  auto log = dial_and_wait(ssh, 1, server.target());
  auto sink = std::make_shared<stream_log>();
  ssh.open_stream(1, 1, (server.home() / "echo").string(), sink);
  REQUIRE(sink->wait_opened());
  ssh.send(1, std::string(1'000'000, 'x'));
  REQUIRE(sink->wait_received(1000));
  auto running = std::make_shared<std::promise<connection_errc>>();
  ssh.exec(1, {"sleep 100", "", patience}, [=](const auto& x) {
    running->set_value(x ? connection_errc{} : x.error().code);
  });
  server.stop();
  auto killed = clock::now();
  CHECK_EQ(sink->wait_closed().code, connection_errc::lost);
  auto why = log->wait_end();
  CHECK_LT(clock::now() - killed, 5s); // a second, were the machine our own
  CHECK_EQ(why.code, connection_errc::lost);
  CHECK_MESSAGE(why.text.starts_with("connection to 127.0.0.1:"), why.text);
  CHECK_EQ(running->get_future().get(), connection_errc::lost);
  server.start();
  CHECK_FALSE(dial_and_wait(ssh, 2, server.target())->ended());
}

TEST_CASE("a connection cut right after the login is lost, not failed") {
  sshd server;
  auto held = std::make_shared<std::atomic<bool>>(false);
  scripted_server proxy{forward_to(server.port(), held)};
  ssh_transport ssh{patient()};
  auto target = server.target();
  target.port = proxy.port();
  auto log = dial_and_wait(ssh, 1, target);
  REQUIRE_FALSE(log->ended());
  proxy.cut();
  CHECK_EQ(log->wait_end().code, connection_errc::lost);
  CHECK_EQ(log->ends, 1);
}

TEST_CASE("a frozen sshd is found by unanswered keep-alives") {
  sshd server;
  unix_server peer{server.home() / "echo", echo};
  ssh_transport ssh{{.silence_min = 1s}};
  auto target = server.target();
  target.keepalive_ms = 1000;
  auto idle = dial_and_wait(ssh, 1, target);
  auto held = dial_and_wait(ssh, 2, target);
  auto sink = std::make_shared<stream_log>();
  ssh.open_stream(2, 1, (server.home() / "echo").string(), sink);
  REQUIRE(sink->wait_opened());
  server.freeze();
  for (auto& log : {idle, held}) {
    auto why = log->wait_end();
    CHECK_EQ(why.code, connection_errc::lost);
    CHECK_MESSAGE(mentions(why, "keep-alives unanswered"), why.text);
  }
  CHECK_EQ(sink->wait_closed().code, connection_errc::lost);
}

TEST_CASE("an idle connection stays, with channels and without") {
  sshd server{{.config = {"ClientAliveInterval 1", "ClientAliveCountMax 5"}}};
  unix_server peer{server.home() / "echo", echo};
  ssh_transport ssh{{.silence_min = 10s}};
  auto target = server.target();
  target.keepalive_ms = 2000;
  auto idle = dial_and_wait(ssh, 1, target);
  auto held = dial_and_wait(ssh, 2, target);
  auto sink = std::make_shared<stream_log>();
  ssh.open_stream(2, 1, (server.home() / "echo").string(), sink);
  REQUIRE(sink->wait_opened());
  // Its peer has sent something and is gone, nobody has read it yet.
  unix_server gone{server.home() / "gone",
                   [](int fd) { send_all(fd, std::string(1000, 'x')); }};
  auto left = dial_and_wait(ssh, 4, target);
  auto unread = std::make_shared<stream_log>(1);
  ssh.open_stream(4, 2, (server.home() / "gone").string(), unread);
  REQUIRE(unread->wait_received(1));
  ssh.send(2, "so that the server closes the channel");
  // The server gives up after 6 s, we after 10: a command on a third connection
  // is the clock.
  REQUIRE_FALSE(dial_and_wait(ssh, 3, target)->ended());
  auto slept = run(ssh, 3, {"sleep 14", "", patience});
  CHECK_MESSAGE(slept, slept.error().text);
  CHECK_FALSE(idle->ended());
  CHECK_FALSE(held->ended());
  CHECK_FALSE(left->ended());
  unread->give(999);
  ssh.resume(2);
  CHECK(unread->wait_received(1000));
  CHECK_EQ(unread->wait_closed().code, connection_errc::closed);
  CHECK(works(ssh, 1));
}

TEST_CASE("stopping an sshd leaves no process of it, orphans neither") {
  sshd server;
  auto home = "HOME=" + server.home().string();
  {
    ssh_transport ssh{patient()};
    REQUIRE_FALSE(dial_and_wait(ssh, 1, server.target())->ended());
    auto got
      = run(ssh, 1, {"setsid sleep 600 >/dev/null 2>&1 & echo", "", patience});
    REQUIRE_MESSAGE(got, got.error().text);
    CHECK_FALSE(run(ssh, 1, {"exec sleep 600", "", 100ms}));
  }
  CHECK_EQ(processes_with(home).size(), 2u);
  server.stop();
  auto until = clock::now() + patience;
  while (!processes_with(home).empty() && clock::now() < until)
    std::this_thread::sleep_for(10ms);
  CHECK(processes_with(home).empty());
}

TEST_CASE("disconnect ends everything on the connection as closed") {
  sshd server;
  unix_server peer{server.home() / "echo", echo};
  ssh_transport ssh{patient()};
  auto log = dial_and_wait(ssh, 1, server.target());
  auto sink = std::make_shared<stream_log>();
  ssh.open_stream(1, 1, (server.home() / "echo").string(), sink);
  REQUIRE(sink->wait_opened());
  ssh.disconnect(1);
  CHECK_EQ(sink->wait_closed().code, connection_errc::closed);
  CHECK_EQ(log->wait_end().code, connection_errc::closed);
  auto again = dial_and_wait(ssh, 2, server.target());
  CHECK_FALSE(again->ended());
}

TEST_CASE("destroying the transport ends every sink as closed") {
  sshd server;
  scripted_server silent{swallow};
  auto log = std::make_shared<connection_log>();
  auto half = std::make_shared<connection_log>();
  auto sink = std::make_shared<stream_log>();
  auto code = std::make_shared<std::promise<connection_errc>>();
  {
    unix_server peer{server.home() / "echo", echo};
    ssh_transport ssh{patient()};
    log = dial_and_wait(ssh, 1, server.target());
    ssh.connect(2, silent.target(), patience, half);
    ssh.open_stream(1, 1, (server.home() / "echo").string(), sink);
    REQUIRE(sink->wait_opened());
    ssh.exec(1, {"sleep 100", "", patience}, [=](const auto& x) {
      code->set_value(x ? connection_errc{} : x.error().code);
    });
  }
  CHECK_EQ(log->wait_end().code, connection_errc::closed);
  CHECK_EQ(half->wait_end().code, connection_errc::closed);
  CHECK_EQ(sink->wait_closed().code, connection_errc::closed);
  CHECK_EQ(code->get_future().get(), connection_errc::closed);
}

TEST_CASE("50 connections at once are all made, and all run a command") {
  sshd server;
  ssh_transport ssh{patient()};
  std::vector<std::shared_ptr<connection_log>> logs;
  for (connection_id id = 0; id < 50; ++id) {
    logs.push_back(std::make_shared<connection_log>());
    ssh.connect(id, server.target(), patience, logs.back());
  }
  for (auto& log : logs)
    CHECK_MESSAGE(log->wait_connected(), log->wait_end().text);
  for (connection_id id = 0; id < 50; ++id)
    CHECK(works(ssh, id));
  CHECK_EQ(ssh.counters().connections, 50u);
}

TEST_CASE("silent servers do not keep a healthy one from being connected to") {
  sshd server;
  scripted_server silent{swallow};
  ssh_transport ssh{patient()};
  std::vector<std::shared_ptr<connection_log>> stuck;
  for (connection_id id = 100; id < 130; ++id) {
    stuck.push_back(std::make_shared<connection_log>());
    ssh.connect(id, silent.target(), patience, stuck.back());
  }
  CHECK_FALSE(dial_and_wait(ssh, 1, server.target())->ended());
  for (auto& log : stuck)
    CHECK_FALSE(log->ended());
}
