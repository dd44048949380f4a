#include "tests/e2e/docker/docker_world.hpp"
#include "tests/support/engine_network.hpp"
#include "tests/support/registry_process.hpp"
#include "tests/support/tar_text.hpp"
#include "tests/support/tcp_proxy.hpp"

#include <chrono>
#include <csignal>
#include <doctest/doctest.h>

using namespace muster;
using namespace muster::test;
using std::chrono::steady_clock;

namespace {

using docker::json;

bool no_engine() {
  return !can_run_engine();
}

constexpr auto docker_index
  = "application/vnd.docker.distribution.manifest.list.v2+json";
constexpr auto docker_manifest
  = "application/vnd.docker.distribution.manifest.v2+json";

/// {"username":"runner","password":"s3cr3t-pass"}, and another password.
constexpr auto right_login
  = "eyJ1c2VybmFtZSI6InJ1bm5lciIsInBhc3N3b3JkIjoiczNjcjN0LXBhc3MifQ==";
constexpr auto wrong_login
  = "eyJ1c2VybmFtZSI6InJ1bm5lciIsInBhc3N3b3JkIjoid3JvbmctcGFzcyJ9";

/// An image in a registry.
struct published {
  std::string digest;
  int64_t size = 0; ///< of its manifest [bytes]
};

/// A registry in the network of the Engine that tests share.
class bed {
public:
  explicit bed(bool closed = false)
    : engine(engine_with_image()),
      network_(engine) {
    network_.run([this, closed] { registry.emplace(closed); });
  }

  bed(const bed&) = delete;
  bed& operator=(const bed&) = delete;

  ~bed() {
    network_.run([this] {
      proxy.reset();
      registry.reset();
    });
    for (const auto& name : pushed_)
      forget(name);
  }

  std::string name(const std::string& repository) const {
    return registry->name() + "/" + repository;
  }

  /// Gives an image a name of the registry's, which does not have it by that.
  void name_locally(const std::string& repository, const std::string& tag,
                    const std::string& image = test_image) {
    REQUIRE(engine.api()
              .ask({"POST", "/images/" + image + "/tag?repo="
                              + docker::url_encoded(name(repository))
                              + "&tag=" + tag})
              .has_value());
  }

  /// Puts an image into the registry under this name with a tag, and takes the
  /// name from the Engine.
  published publish(const std::string& repository, const std::string& tag,
                    const std::string& image = test_image) {
    auto full = name(repository);
    name_locally(repository, tag, image);
    published result;
    docker::call push{"POST", "/images/" + full + "/push?tag=" + tag};
    push.registry_auth = right_login;
    auto read = engine.api().ask_lines(push, [&result](std::string_view line) {
      auto said = json::parse(line, nullptr, false);
      REQUIRE_FALSE(said.contains("error"));
      if (said.contains("aux")) {
        result.digest = said["aux"].value("Digest", "");
        result.size = said["aux"].value("Size", int64_t{});
      }
      return true;
    });
    REQUIRE(read.has_value());
    REQUIRE_FALSE(result.digest.empty());
    forget(full + ":" + tag);
    pushed_.push_back(full + ":" + tag);
    return result;
  }

  /// An image whose content is not at the Engine.
  void publish_large(const std::string& repository, int mib) {
    auto folder = engine.rootfs() + "-large";
    CHECK_EQ(run_command({"/bin/cp", "-a", engine.rootfs(), folder}).exit_code,
             0);
    CHECK_EQ(run_command({"/bin/sh", "-c",
                          "head -c " + std::to_string(mib << 20)
                            + " /dev/urandom > " + folder + "/large"})
               .exit_code,
             0);
    engine.import_folder(folder, "muster-large:latest", {});
    publish(repository, "latest", "muster-large:latest");
    forget("muster-large:latest");
    run_command({"/bin/rm", "-rf", folder});
  }

  void forget(const std::string& image) {
    [[maybe_unused]] auto gone
      = engine.api().ask({"DELETE", "/images/" + image + "?force=1"});
  }

  /// Something in the network of the Engine.
  void there(std::function<void()> what) {
    network_.run(std::move(what));
  }

  engine_host& engine;
  std::optional<registry_process> registry;
  std::optional<tcp_proxy> proxy;

private:
  engine_network network_;
  std::vector<std::string> pushed_;
};

image_request pulled(const std::string& name,
                     std::vector<pull_policy> policies) {
  image_request x;
  x.name = name;
  x.policies = std::move(policies);
  return x;
}

/// A job that says hello in this image.
job_plan plan_in(const bed& at, const std::string& key, image_request image) {
  auto plan = docker_plan(at.engine, key,
                          {build_stage("cat /mark 2>/dev/null; "
                                       "echo hello")});
  plan.containers->build.image = std::move(image);
  return plan;
}

size_t count_of(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (auto at = text.find(part); at != std::string::npos;
       at = text.find(part, at + 1))
    ++count;
  return count;
}

/// Puts an image into a registry whose only file has so many zeros.
void push_zeros(const registry_process& to, const std::string& repository,
                size_t bytes) {
  auto tar = tar_of({{"zeros", std::string(bytes, '\0'), 0644, '0', ""}});
  auto config
    = json{{"os", "linux"},
           {"architecture", "amd64"},
           {"config", json::object()},
           {"rootfs", {{"type", "layers"}, {"diff_ids", {digest_text(tar)}}}}}
        .dump();
  to.push_blob(repository, config);
  to.push_blob(repository, tar);
  to.push_manifest(
    repository, "1",
    {{"schemaVersion", 2},
     {"mediaType", docker_manifest},
     {"config", descriptor_json(
                  "application/vnd.docker.container.image.v1+json", config)},
     {"layers",
      {descriptor_json("application/vnd.docker.image.rootfs.diff.tar.gzip",
                       tar)}}});
}

void check_nothing_left(const bed& at, const finished_job& done) {
  CHECK(done.cleaned.clean);
  CHECK(at.engine.containers().empty());
}

} // namespace

TEST_CASE("a pull policy decides between the registry's image and the "
          "instance's"
          * doctest::skip(no_engine())) {
  using enum pull_policy;
  bed b;
  b.engine.import_image("muster-newer:latest", {"LABEL newer=yes"});
  auto newest = b.publish("group/app", "1", "muster-newer:latest");
  struct row {
    const char* what;
    std::vector<pull_policy> policies;
    bool there;
    plan_outcome expected;
    bool newest; ///< the registry's, if the job ran
    const char* says;
  };
  const row rows[] = {
    {"always takes the newest",
     {always},
     true,
     plan_outcome::success,
     true,
     "Using effective pull policy of [always]"},
    {"if-not-present takes what is there",
     {if_not_present},
     true,
     plan_outcome::success,
     false,
     "Using locally found image version"},
    {"if-not-present pulls what is not",
     {if_not_present},
     false,
     plan_outcome::success,
     true,
     "Pulling docker image"},
    {"never takes what is there",
     {never},
     true,
     plan_outcome::success,
     false,
     "Using effective pull policy of [never]"},
    {"never fails without",
     {never},
     false,
     plan_outcome::misconfigured,
     false,
     "its pull policy is never"},
    {"the second policy helps",
     {never, always},
     false,
     plan_outcome::success,
     true,
     "Attempt #2: Trying \"always\" pull policy"},
  };
  auto name = b.name("group/app:1");
  int number = 0;
  for (const auto& r : rows) {
    CAPTURE(r.what);
    if (r.there)
      b.name_locally("group/app", "1");
    auto done = run_to_end(plan_in(b, "policy-" + std::to_string(++number),
                                   pulled(name, r.policies)));
    check_end(done.log, r.expected);
    CHECK(has(done.log.out + done.log.end->text, r.says));
    if (r.expected == plan_outcome::success) {
      CHECK(has(done.log.out, "hello\n"));
      CHECK_EQ(has(done.log.out, newest.digest), r.newest);
    }
    check_nothing_left(b, done);
    b.forget(name);
  }
}

TEST_CASE("an image is had by tag, by digest, and by both"
          * doctest::skip(no_engine())) {
  bed b;
  auto first = b.publish("group/app", "1");
  b.publish("group/app", "latest");
  const std::string names[] = {b.name("group/app:1"), b.name("group/app"),
                               b.name("group/app@" + first.digest),
                               b.name("group/app:1@" + first.digest)};
  int number = 0;
  for (const auto& name : names) {
    CAPTURE(name);
    auto done = run_to_end(plan_in(b, "named-" + std::to_string(++number),
                                   pulled(name, {pull_policy::always})));
    check_end(done.log, plan_outcome::success);
    CHECK(
      has(done.log.out, "with digest " + b.name("group/app@") + first.digest));
    CHECK(has(done.log.out, "hello\n"));
    check_nothing_left(b, done);
  }
}

TEST_CASE("what a registry has not is a fault of the job's configuration, told "
          "at once"
          * doctest::skip(no_engine())) {
  bed b;
  b.publish("group/app", "1");
  const std::string names[]
    = {b.name("group/app:2"), b.name("group/other:1"),
       b.name("group/app@sha256:" + std::string(64, 'a'))};
  int number = 0;
  for (const auto& name : names) {
    CAPTURE(name);
    auto done = run_to_end(plan_in(b, "absent-" + std::to_string(++number),
                                   pulled(name, {pull_policy::always})));
    check_end(done.log, plan_outcome::misconfigured);
    CHECK(has(done.log.end->text, "not found"));
    CHECK(has(done.log.end->text, name));
    CHECK_EQ(count_of(done.log.out, "Pulling docker image"), 1);
    check_nothing_left(b, done);
  }
}

TEST_CASE("a closed registry wants the right login, and a wrong one is told at "
          "once and without a secret"
          * doctest::skip(no_engine())) {
  bed b{true};
  b.publish("group/app", "1");
  struct row {
    const char* what;
    const char* auth;
    plan_outcome expected;
  };
  const row rows[] = {
    {"right", right_login, plan_outcome::success},
    {"wrong", wrong_login, plan_outcome::misconfigured},
    {"none", "", plan_outcome::misconfigured},
  };
  for (const auto& r : rows) {
    CAPTURE(r.what);
    auto image = pulled(b.name("group/app:1"), {pull_policy::always});
    image.auth = secret{r.auth};
    image.auth_source = *r.auth != '\0' ? "job payload (GitLab Registry)" : "";
    auto done = run_to_end(plan_in(b, std::string{"login-"} + r.what, image));
    check_end(done.log, r.expected);
    CHECK_EQ(has(done.log.out, "Authenticating with credentials from job "
                               "payload (GitLab Registry)"),
             *r.auth != '\0');
    CHECK_EQ(count_of(done.log.out, "Pulling docker image"), 1);
    auto all = done.log.out + done.log.err + done.log.end->text;
    CHECK_FALSE(has(all, "pass\""));
    CHECK_FALSE(has(all, "s3cr3t-pass"));
    CHECK_FALSE(has(all, "wrong-pass"));
    if (r.expected != plan_outcome::success)
      CHECK(has(done.log.end->text, b.name("group/app:1")));
    check_nothing_left(b, done);
  }
}

TEST_CASE("a registry that is not there is an outage: three tries, then the "
          "reason"
          * doctest::skip(no_engine())) {
  bed b;
  auto name = b.name("group/app:1");
  b.there([&b] { b.registry->stop(); });
  auto done
    = run_to_end(plan_in(b, "outage", pulled(name, {pull_policy::always})));
  check_end(done.log, plan_outcome::dependency_failed);
  CHECK_EQ(count_of(done.log.out, "Pulling docker image"), 3);
  CHECK(has(done.log.out, "(attempt #1), retrying: "));
  CHECK(has(done.log.end->text, "connection refused"));
  CHECK(has(done.log.end->text, name));
  check_nothing_left(b, done);
}

TEST_CASE("an image that is there helps over an outage, if the policies say so"
          * doctest::skip(no_engine())) {
  bed b;
  auto name = b.name("group/app:1");
  b.name_locally("group/app", "1");
  b.there([&b] { b.registry->stop(); });
  auto done = run_to_end(
    plan_in(b, "helped",
            pulled(name, {pull_policy::always, pull_policy::if_not_present})));
  check_end(done.log, plan_outcome::success);
  CHECK(has(done.log.out, "Failed to pull image with policy \"always\": "));
  CHECK(has(done.log.out, "Attempt #2: Trying \"if-not-present\" pull policy"));
  CHECK(has(done.log.out, "hello\n"));
  check_nothing_left(b, done);
  b.forget(name);
}

TEST_CASE("a pull whose connection breaks goes on, and a slow one tells how "
          "far it is"
          * doctest::skip(no_engine())) {
  bed b;
  b.publish_large("group/large", 6);
  b.there([&b] {
    b.proxy.emplace(static_cast<uint16_t>(b.registry->port()), [&b] {
      return b.proxy && b.proxy->cuts() < 2 ? int64_t{1'000'000} : -1;
    });
  });
  auto name
    = "127.0.0.1:" + std::to_string(b.proxy->port()) + "/group/large:latest";
  auto done
    = run_to_end(plan_in(b, "slow", pulled(name, {pull_policy::always})));
  check_end(done.log, plan_outcome::success);
  INFO(done.log.out);
  CHECK_EQ(b.proxy->cuts(), 2);
  CHECK(has(done.log.out, "Pulling docker image " + name + ": "));
  CHECK(has(done.log.out, "layers, "));
  CHECK(has(done.log.out, " MB downloaded"));
  CHECK(has(done.log.out, "hello\n"));
  check_nothing_left(b, done);
  b.forget(name);
}

TEST_CASE("a registry that stops in the middle of a pull is an outage"
          * doctest::skip(no_engine())) {
  bed b;
  b.publish_large("group/large", 6);
  b.there([&b] {
    b.proxy.emplace(static_cast<uint16_t>(b.registry->port()),
                    [] { return int64_t{1'000'000}; });
  });
  auto name
    = "127.0.0.1:" + std::to_string(b.proxy->port()) + "/group/large:latest";
  host machine;
  auto job
    = machine.run(plan_in(b, "stopped", pulled(name, {pull_policy::always})));
  CHECK(eventually([&b] { return b.proxy->cuts() > 0; }));
  b.there([&b] { b.proxy.reset(); });
  auto log = collect(job);
  check_end(log, plan_outcome::dependency_failed);
  CHECK(has(log.end->text, name));
  CHECK(machine.clean(job_key("stopped")).clean);
  CHECK(b.engine.containers().empty());
}

TEST_CASE("a pull that stands still ends with the job, if somebody cancels it "
          "or its time is over"
          * doctest::skip(no_engine())) {
  bed b;
  b.publish("group/app", "1");
  for (bool canceled : {true, false}) {
    CAPTURE(canceled);
    auto plan = plan_in(b, canceled ? "stuck-a" : "stuck-b",
                        pulled(b.name("group/app:1"), {pull_policy::always}));
    if (!canceled)
      plan.timeout_ms = 3'000;
    b.registry->send(SIGSTOP);
    host machine;
    auto job = machine.run(plan);
    auto before = collect(
      job, [](const job_log& x) { return has(x.out, "Pulling docker image"); });
    if (canceled)
      machine.connect().send(frames::cancel{plan.key, cancel_mode::now});
    check_end(collect(job),
              canceled ? plan_outcome::canceled : plan_outcome::timed_out);
    b.registry->send(SIGCONT);
    CHECK(machine.clean(plan.key).clean);
    CHECK(b.engine.containers().empty());
  }
}

TEST_CASE("an image that is not made for the platform is told with its name"
          * doctest::skip(no_engine())) {
  bed b;
  auto image = b.publish("group/app", "1");
  json entry{{"mediaType", docker_manifest},
             {"digest", image.digest},
             {"size", image.size},
             {"platform", {{"os", "linux"}, {"architecture", "s390x"}}}};
  b.there([&] {
    b.registry->push_manifest("group/app", "other",
                              {{"schemaVersion", 2},
                               {"mediaType", docker_index},
                               {"manifests", {entry}}});
  });
  struct row {
    const char* what;
    const char* tag;
    const char* platform;
  };
  const row rows[] = {
    {"the Engine's own", "other", ""},
    {"one that the job names", "other", "linux/arm64"},
  };
  for (const auto& r : rows) {
    CAPTURE(r.what);
    auto wanted = pulled(b.name("group/app:") + r.tag, {pull_policy::always});
    wanted.platform = r.platform;
    auto done = run_to_end(plan_in(b, "platform", wanted));
    check_end(done.log, plan_outcome::image_missing);
    INFO(done.log.end->text);
    CHECK(has(done.log.end->text, "no matching manifest for linux/"));
    CHECK(has(done.log.end->text, wanted.name));
    CHECK_EQ(count_of(done.log.out, "Pulling docker image"), 1);
    check_nothing_left(b, done);
  }
}

TEST_CASE("services and the helper image come from a registry, too, and the "
          "helper's is not asked for twice"
          * doctest::skip(no_engine())) {
  bed b;
  b.publish("group/helper", "1");
  b.publish("group/service", "1");
  for (bool first : {true, false}) {
    CAPTURE(first);
    auto plan = docker_plan(
      b.engine, first ? "all-a" : "all-b",
      {helper_stage("echo from the helper"), build_stage("echo hello")});
    plan.containers->helper.image
      = pulled(b.name("group/helper:1"), {pull_policy::always});
    plan.containers->helper.image.kept = true;
    auto service = service_of(plan.containers->job_label, "served", test_image,
                              "sleep 600");
    service.container.image
      = pulled(b.name("group/service:1"), {pull_policy::always});
    plan.containers->services = {service};
    plan.containers->services_timeout_ms = -1;
    auto done = run_to_end(plan);
    check_end(done.log, plan_outcome::success);
    CHECK(has(done.log.out, "from the helper\nhello\n"));
    CHECK_EQ(
      has(done.log.out, "Pulling docker image " + b.name("group/helper:1")),
      first);
    CHECK(
      has(done.log.out, "Pulling docker image " + b.name("group/service:1")));
    check_nothing_left(b, done);
  }
  b.forget(b.name("group/helper:1"));
  b.forget(b.name("group/service:1"));
}

TEST_CASE("a service whose image is not to be had ends the job with its name"
          * doctest::skip(no_engine())) {
  bed b;
  auto plan = docker_plan(b.engine, "no-service", {build_stage("echo hello")});
  auto service
    = service_of(plan.containers->job_label, "absent", test_image, "sleep 600");
  service.container.image
    = pulled(b.name("group/absent:1"), {pull_policy::always});
  plan.containers->services = {service};
  auto done = run_to_end(plan);
  check_end(done.log, plan_outcome::misconfigured);
  CHECK(has(done.log.end->text, b.name("group/absent:1")));
  CHECK_FALSE(has(done.log.out, "hello\n"));
  check_nothing_left(b, done);
}

TEST_CASE("a disk that is full during a pull is told as that, and the next "
          "job finds room"
          * doctest::skip(no_engine())) {
  engine_host engine{{.data_mib = 64}};
  engine.import_image(test_image);
  engine_network network{engine};
  std::optional<registry_process> registry;
  network.run([&] {
    registry.emplace();
    push_zeros(*registry, "group/large", 80u << 20);
  });
  auto name = registry->name() + "/group/large:1";
  auto plan = docker_plan(engine, "disk", {build_stage("echo hello")});
  plan.containers->build.image = pulled(name, {pull_policy::always});
  auto done = run_to_end(plan);
  check_end(done.log, plan_outcome::image_missing);
  CHECK(has(done.log.end->text, "no space left on device"));
  CHECK(has(done.log.end->text, name));
  CHECK(done.cleaned.clean);
  CHECK(engine.containers().empty());
  done = run_to_end(docker_plan(engine, "room", {build_stage("echo hello")}));
  check_end(done.log, plan_outcome::success);
  network.run([&] { registry.reset(); });
}
