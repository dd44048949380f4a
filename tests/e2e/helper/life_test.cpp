#include "tests/e2e/helper/host.hpp"

#include "executors/helper/connection.hpp"

#include <csignal>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <random>
#include <sys/stat.h>
#include <unistd.h>

using namespace muster;
using namespace muster::test;

namespace {

bool has_begun(const job_log& log) {
  return log.out.find("begun\n") != std::string::npos;
}

job_plan lasting(const std::string& key) {
  return plan_of(key, {step("echo begun; sleep 600")});
}

wire attach(const host& machine, const std::string& key, uint64_t record = 0) {
  auto to = machine.connect();
  to.send(frames::attach{key, record});
  CHECK_EQ(to.expect<frames::accepted>().key, key);
  return to;
}

} // namespace

TEST_CASE("a second start finds the daemon, also when they start together") {
  host machine;
  auto first = machine.daemon();
  auto again = machine.serve();
  CHECK_EQ(again.out, "ready " + machine.socket() + "\n");
  CHECK_EQ(again.exit_code, 0);
  CHECK_EQ(machine.daemon(), first);
  ::kill(first, SIGKILL);
  CHECK(eventually([first] { return !is_alive(first); }));
  auto serve = std::string{MUSTER_HELPER} + " serve --dir " + machine.state()
               + " --home " + machine.home();
  auto both = run_command(
    {"/bin/sh", "-c", serve + " & " + serve + " & " + serve + "; wait"});
  auto line = "ready " + machine.socket() + "\n";
  CHECK_EQ(both.out, line + line + line);
  CHECK_EQ(both.err, "");
}

TEST_CASE("the state folder is private") {
  host machine;
  struct stat facts {};
  REQUIRE_EQ(::stat(machine.state().c_str(), &facts), 0);
  CHECK_EQ(facts.st_mode & ALLPERMS, 0700);
  REQUIRE_EQ(::stat((machine.state() + "/helper.log").c_str(), &facts), 0);
  CHECK_EQ(facts.st_mode & ALLPERMS, 0600);
}

TEST_CASE("a newer version is refused in words, an older one is served") {
  host machine;
  wire newer{machine.socket(), false};
  newer.send(frames::hello{frames::version + 1});
  auto refused = newer.expect<frames::refused>();
  CHECK_EQ(refused.code, helper_errc::version_refused);
  CHECK_NE(refused.text.find("put a newer muster-helper here"),
           std::string::npos);
  CHECK_FALSE(newer.next().has_value());
  wire older{machine.socket(), false};
  older.send(frames::hello{0});
  older.expect<frames::welcome>();
  older.send(frames::ping{});
  older.expect<frames::pong>();
}

TEST_CASE("bytes that are no frames end their connection, not the daemon") {
  host machine;
  auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 chance{seed};
  for (int i = 0; i < 50; ++i) {
    wire foreign{machine.socket(), i % 2 == 0};
    std::string bytes(chance() % 300 + 5, '\0');
    for (auto& byte : bytes)
      byte = static_cast<char>(chance());
    bytes[3] = '\x7f';
    foreign.send_bytes(bytes);
    CHECK_EQ(foreign.expect<frames::refused>().code, helper_errc::bad_frame);
  }
  wire rude{machine.socket(), false};
  rude.send(frames::ping{});
  CHECK_EQ(rude.expect<frames::refused>().code, helper_errc::bad_frame);
  auto polite = machine.connect();
  polite.send(frames::ping{});
  polite.expect<frames::pong>();
}

TEST_CASE("a job outlives its connection and goes on from any record") {
  host machine;
  auto plan = plan_of(
    "k", {step("for i in 1 2 3; do echo $i; done; while [ ! -e go ]; do sleep "
               "0.02; done; echo done; echo error >&2; exit 2")});
  auto first = machine.run(plan);
  collect(first, [](const job_log& log) { return log.out == "1\n2\n3\n"; });
  first.close();
  auto second = attach(machine, "k");
  ::close(::open((machine.home() + "/go").c_str(), O_CREAT | O_WRONLY, 0600));
  auto whole = collect(second);
  CHECK_EQ(whole.out, "1\n2\n3\ndone\n");
  REQUIRE(whole.end.has_value());
  for (uint64_t record = 0; record <= whole.records.size(); ++record) {
    auto again = attach(machine, "k", record);
    if (record == whole.records.size())
      break;
    auto rest = collect(again);
    REQUIRE_EQ(rest.records.size(), whole.records.size() - record);
    CHECK_EQ(record_of(rest.records.front()), record);
  }
  auto beyond = machine.connect();
  beyond.send(frames::attach{"k", 1'000});
  CHECK_EQ(beyond.expect<frames::refused>().code, helper_errc::failed);
}

TEST_CASE("a client that takes packed records gets all, in fewer bytes") {
  host machine;
  auto first = machine.run(plan_of(
    "k", {step("i=0; while [ $i -lt 4000 ]; do echo \"line $i of a log "
               "that goes on and on\"; i=$((i + 1)); done > log; cat log")}));
  auto plain = collect(first);
  REQUIRE(plain.end.has_value());
  REQUIRE_GT(plain.out.size(), 100'000);
  auto second = machine.connect();
  second.send_bytes(frames::encode(frames::attach{"k", 0})
                    + frames::encode(frames::pack{}));
  second.expect<frames::accepted>();
  auto packed = collect(second);
  CHECK_EQ(packed.out, plain.out);
  CHECK_EQ(packed.records.size(), plain.records.size());
  CHECK_LT(second.received_bytes(), first.received_bytes() / 2);
}

TEST_CASE("a plan with a known key is not carried out again") {
  host machine;
  auto plan = plan_of("k", {step("echo run >> runs; echo begun")});
  auto first = machine.run(plan);
  collect(first);
  auto second = machine.run(plan);
  CHECK_EQ(collect(second).out, "begun\n");
  CHECK_EQ(read_file(machine.home() + "/runs"), "run\n");
}

TEST_CASE("an unknown job cannot be attached to") {
  host machine;
  auto to = machine.connect();
  to.send(frames::attach{"k", 0});
  auto refused = to.expect<frames::refused>();
  CHECK_EQ(refused.code, helper_errc::unknown_key);
  CHECK_EQ(refused.key, "k");
  to.send(frames::ping{});
  to.expect<frames::pong>();
}

TEST_CASE("a client that does not read stops neither its job nor others") {
  host machine;
  auto flood = machine.run(plan_of(
    "flood", {step("head -c 4194304 /dev/zero | tr '\\0' x; touch done")}));
  CHECK(eventually([&machine] {
    return ::access((machine.home() + "/done").c_str(), F_OK) == 0;
  }));
  auto other = machine.run(plan_of("other", {step("echo hello")}));
  CHECK_EQ(collect(other).out, "hello\n");
  auto log = collect(flood);
  CHECK_EQ(log.out, std::string(4'194'304, 'x'));
  auto again = attach(machine, "flood");
  CHECK_EQ(collect(again).out.size(), 4'194'304);
}

TEST_CASE("output beyond the spool's bound is counted, and the job goes on") {
  host machine({"--spool-max", "100000"});
  auto job = machine.run(
    plan_of("k", {step("head -c 1000000 /dev/zero; echo x > ran")}));
  auto log = collect(job);
  REQUIRE(log.end.has_value());
  CHECK_EQ(log.end->outcome, plan_outcome::success);
  CHECK_EQ(log.out.size() + log.end->dropped_bytes, 1'000'000);
  CHECK_NE(log.end->text.find("bytes of output were lost"), std::string::npos);
  CHECK_EQ(read_file(machine.home() + "/ran"), "x\n");
}

TEST_CASE("clean ends a running job, removes its files and proves that nothing "
          "is left") {
  host machine;
  auto plan = plan_of(
    "k", {step("mkdir -p p.tmp/deep/er; echo secret > p.tmp/deep/er/FILE; "
               "chmod 0 p.tmp/deep/er; ln -s / p.tmp/root\n"
               "trap '' TERM; setsid sleep 600 >/dev/null 2>&1 & echo begun; "
               "sleep 600")});
  plan.temp_dir = "p.tmp";
  auto job = machine.run(plan);
  collect(job, has_begun);
  auto cleaned = machine.clean("k");
  CHECK_EQ(cleaned.text, "");
  CHECK(cleaned.clean);
  CHECK_EQ(cleaned.key, "k");
  CHECK(processes_of("k").empty());
  CHECK_NE(::access((machine.home() + "/p.tmp").c_str(), F_OK), 0);
  CHECK_EQ(::access("/etc/passwd", F_OK), 0);
  CHECK(eventually([&machine] { return machine.supervisors().empty(); }));
  CHECK(collect(job).end == std::nullopt);
  CHECK(machine.clean("k").clean);
}

TEST_CASE("clean works on the job's own connection") {
  host machine;
  auto job = machine.run(plan_of("k", {step("echo begun")}));
  collect(job);
  job.send(frames::clean{"other"});
  CHECK_EQ(job.expect<frames::refused>().code, helper_errc::unknown_key);
  job.send(frames::clean{"k"});
  CHECK(job.expect<frames::cleaned>().clean);
}

TEST_CASE(
  "a temporary folder that cannot be removed makes the slot not clean") {
  host machine;
  auto plan = plan_of("k", {step("echo begun")});
  plan.temp_dir = "../home";
  auto job = machine.run(plan);
  collect(job);
  auto cleaned = machine.clean("k");
  CHECK_FALSE(cleaned.clean);
  CHECK_NE(cleaned.text.find("../home"), std::string::npos);
}

TEST_CASE("a killed supervisor ends the stream, its processes and the claim to "
          "be clean") {
  host machine;
  auto job = machine.run(plan_of(
    "k",
    {step("trap '' TERM; env -i setsid sleep 601 >/dev/null 2>&1 & echo begun; "
          "sleep 601")}));
  auto other = machine.run(lasting("other"));
  collect(job, has_begun);
  collect(other, has_begun);
  auto ours = processes_of("k");
  REQUIRE_FALSE(ours.empty());
  pid_t victim = -1;
  for (auto pid : machine.supervisors())
    for (auto child : children_of(pid))
      for (auto process : ours)
        victim = child == process ? pid : victim;
  REQUIRE_GT(victim, 0);
  auto processes = children_of(victim);
  ::kill(victim, SIGKILL);
  CHECK_FALSE(collect(job).end.has_value());
  auto to = machine.connect();
  to.send(frames::attach{"k", 0});
  auto refused = to.expect<frames::refused>();
  CHECK_EQ(refused.code, helper_errc::unknown_key);
  CHECK_NE(refused.text.find("died"), std::string::npos);
  to.send(frames::run{lasting("k")});
  CHECK_EQ(to.expect<frames::refused>().code, helper_errc::unknown_key);
  CHECK(eventually([&processes] {
    for (auto pid : processes)
      if (is_alive(pid))
        return false;
    return processes_of("k").empty();
  }));
  auto cleaned = machine.clean("k");
  CHECK_FALSE(cleaned.clean);
  CHECK_NE(cleaned.text.find("died"), std::string::npos);
  CHECK_FALSE(processes_of("other").empty());
  CHECK(machine.clean("other").clean);
}

TEST_CASE("jobs outlive a killed daemon, and a new one finds them") {
  host machine;
  auto running = machine.run(plan_of(
    "running", {step("echo begun; while [ ! -e go ]; do sleep 0.02; done; "
                     "echo done")}));
  auto ended = machine.run(plan_of("ended", {step("echo over")}));
  collect(running, has_begun);
  collect(ended);
  auto old = machine.daemon();
  ::kill(old, SIGKILL);
  CHECK(eventually([old] { return !is_alive(old); }));
  REQUIRE_EQ(machine.serve().exit_code, 0);
  CHECK_NE(machine.daemon(), old);
  auto again = attach(machine, "running", 1);
  ::close(::open((machine.home() + "/go").c_str(), O_CREAT | O_WRONLY, 0600));
  CHECK_EQ(collect(again).out, "begun\ndone\n");
  CHECK_EQ(collect(running).out, "done\n");
  auto other = attach(machine, "ended");
  CHECK_EQ(collect(other).out, "over\n");
  CHECK(machine.clean("running").clean);
  CHECK(machine.clean("ended").clean);
  CHECK(eventually([&machine] { return machine.supervisors().empty(); }));
}

TEST_CASE("processes of an unknown job are found by their environment, and no "
          "others") {
  host machine;
  auto key = "stray-" + std::to_string(::getpid());
  CHECK(machine.clean(key).clean);
  auto start = [](const std::string& of) {
    auto stray
      = run_command({"/bin/sh", "-c", "sleep 600 >/dev/null 2>&1 & echo $!"},
                    "", {"MUSTER_JOB_KEY=" + of, "PATH=/usr/bin:/bin"});
    return std::stoi(stray.out);
  };
  auto pid = start(key);
  // As another manager has them, which serves the same runner.
  std::vector<pid_t> others{start(key + "1"), start("stray-"),
                            start("a" + key)};
  REQUIRE(is_alive(pid));
  CHECK(machine.clean(key).clean);
  CHECK(eventually([pid] { return !is_alive(pid); }));
  for (auto other : others) {
    CHECK(is_alive(other));
    ::kill(other, SIGKILL);
  }
}

TEST_CASE("an idle daemon ends, one with a job does not") {
  host machine({"--idle-exit", "1"});
  auto job = machine.run(plan_of("k", {step("echo begun; sleep 1.5")}));
  CHECK(collect(job).end.has_value());
  CHECK_GT(machine.daemon(), 0);
  CHECK(machine.clean("k").clean);
  job.close();
  CHECK(eventually([&machine] { return machine.daemon() < 0; }));
  CHECK_NE(::access(machine.socket().c_str(), F_OK), 0);
}

TEST_CASE("connect bridges its streams to the socket") {
  host machine;
  auto plan = plan_of("k", {step("head -c 300000 /dev/zero; exit 6")});
  auto input
    = frames::encode(frames::hello{}) + frames::encode(frames::run{plan});
  auto bridged
    = run_command({MUSTER_HELPER, "connect", "--dir", machine.state()}, input);
  CHECK_EQ(bridged.exit_code, 0);
  frames::decoder decoder;
  decoder.feed(bridged.out);
  size_t bytes = 0;
  std::optional<frames::job_ended> end;
  for (auto x = decoder.next(); x.has_value() && x->has_value();
       x = decoder.next()) {
    if (const auto* output = std::get_if<frames::output>(&**x))
      bytes += output->bytes.size();
    if (const auto* ended = std::get_if<frames::job_ended>(&**x))
      end = *ended;
  }
  CHECK_EQ(bytes, 300'000);
  REQUIRE(end.has_value());
  CHECK_EQ(end->exit_code, 6);
}

TEST_CASE("wrong arguments and folders are named") {
  auto bare = run_command({MUSTER_HELPER});
  CHECK_EQ(bare.exit_code, 1);
  CHECK_NE(bare.err.find("muster-helper serve"), std::string::npos);
  CHECK_EQ(run_command({MUSTER_HELPER, "--version"}).exit_code, 0);
  auto unknown = run_command({MUSTER_HELPER, "serf"});
  CHECK_NE(unknown.err.find("no command `serf`"), std::string::npos);
  auto number = run_command({MUSTER_HELPER, "serve", "--idle-exit", "soon"});
  CHECK_NE(number.err.find("--idle-exit soon"), std::string::npos);
  auto folder = run_command({MUSTER_HELPER, "serve", "--dir", "/dev/null/x"});
  CHECK_EQ(folder.exit_code, 1);
  CHECK_NE(folder.err.find("/dev/null/x"), std::string::npos);
  auto nobody = run_command({MUSTER_HELPER, "connect", "--dir", "/tmp"});
  CHECK_NE(nobody.err.find("nobody serves /tmp"), std::string::npos);
}
