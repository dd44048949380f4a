#include "tests/e2e/hosts/hosts_world.hpp"

#include <doctest/doctest.h>

using namespace muster;
using namespace muster::gitlab;
using namespace muster::test;

TEST_CASE("a host that was installed anew is refused until its pin is "
          "forgotten") {
  sshd host;
  pool_config what;
  what.hosts = {entry_of(host, "build-1")};
  what.idle_count = 1;
  hosts_world x{what};
  auto early = x.muster({"known-hosts", "list"});
  CHECK_EQ(early.status, 1);
  CHECK(has(early.output, "there is no journal"));
  x.start();
  CHECK(x.in.serves_a_job());
  auto listed = x.muster({"known-hosts", "list"});
  CAPTURE(listed.output);
  CHECK_EQ(listed.status, 0);
  CHECK(has(listed.output, "group: static/static, instance: build-1, host key: "
                           "ssh-ed25519 SHA256:"));
  auto before = host.host_key();
  host.stop();
  host.replace_host_key();
  host.start();
  REQUIRE_NE(host.host_key(), before);
  CHECK(x.manager().says("instance marked for removal"));
  auto id = x.in.enqueue_script("echo fine");
  auto advice = "muster known-hosts forget build-1";
  CHECK(x.manager().says("connection to the instance failed"));
  CHECK(eventually([&] { return has(x.manager().log(), advice); }));
  CHECK(x.in.shows(id, advice));
  CHECK(has(x.in.log(id), "presented SHA256:"));
  auto wrong = x.muster({"known-hosts", "forget", "build-2"});
  CHECK_EQ(wrong.status, 1);
  CHECK(has(wrong.output, "no host key is pinned for the instance build-2"));
  auto other
    = x.muster({"known-hosts", "forget", "--group", "static/other", "build-1"});
  CHECK_EQ(other.status, 1);
  auto forgotten = x.muster({"known-hosts", "forget", "build-1"});
  CAPTURE(forgotten.output);
  CHECK_EQ(forgotten.status, 0);
  CHECK(has(forgotten.output, "forgotten: "));
  CHECK_EQ(x.in.ended(id).state, job_state::success); // the same manager
  CHECK_EQ(x.in.stop_manager(), 0);
  auto pinned = x.muster({"known-hosts", "list"});
  CHECK(has(pinned.output, "SHA256:"));
  CHECK_NE(pinned.output, listed.output);
}

TEST_CASE("a pin outlives the host's time in the pool, and the manager") {
  sshd host;
  pool_config what;
  what.hosts = {entry_of(host, "build-1")};
  what.idle_time = "1s";
  what.autoscaler = {"max_use_count = 1"};
  hosts_world x{what};
  x.start();
  CHECK(x.in.serves_a_job());
  CHECK(x.manager().says("instance pruned", {{"instance", "build-1"}}));
  CHECK_EQ(x.in.stop_manager(), 0);
  host.stop();
  host.replace_host_key();
  host.start();
  x.start();
  auto id = x.in.enqueue_script("echo fine");
  CHECK(x.in.shows(id, "muster known-hosts forget build-1"));
  CHECK_EQ(x.muster({"known-hosts", "forget", "build-1"}).status, 0);
  CHECK_EQ(x.in.ended(id).state, job_state::success);
}

TEST_CASE("a host key given with the host is the only one that counts") {
  sshd host;
  sshd other;
  pool_config what;
  auto given = host.host_key();
  SUBCASE("the right one") {
    what.hosts = {entry_of(host, "one", "host_key = \"" + given + "\"")};
    hosts_world x{what};
    x.start();
    CHECK(x.in.serves_a_job());
  }
  SUBCASE("another one") {
    what.hosts = {entry_of(other, "one", "host_key = \"" + given + "\"")};
    what.autoscaler = {"instance_acquire_timeout = \"5s\""};
    hosts_world x{what};
    x.start();
    auto id = x.in.enqueue_script("echo never");
    CHECK_EQ(x.in.ended(id).failure_reason, "runner_system_failure");
    CHECK(eventually([&] { return has(x.manager().log(), "host key: "); }));
    CHECK_FALSE(has(x.manager().log(), "known-hosts forget"));
  }
  SUBCASE("no key at all: refused at check") {
    what.hosts = {entry_of(host, "one", "host_key = \"ssh-ed25519 AAAA\"")};
    hosts_world x{what};
    auto checked = x.muster({"check"});
    CHECK_EQ(checked.status, 1);
    CHECK(has(checked.output, "the host_key of one is no key"));
  }
}
