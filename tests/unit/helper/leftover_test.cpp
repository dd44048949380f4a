#include "executors/helper/leftover.hpp"

#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <sstream>

using namespace muster;
using namespace muster::helper;

namespace {

job_plan plan_with_secrets() {
  job_plan plan;
  plan.key = "k-1";
  plan.stages.push_back({});
  plan.stages.back().script = "echo hidden1";
  auto& x = plan.containers.emplace();
  x.host = "unix:///run/e.sock";
  x.job_label = "42";
  x.helper = {"r-predefined", {}, secret{R"({"Env":["A=hidden2"]})"}};
  x.build = {"r-build", {}, secret{R"({"Env":["A=hidden3"]})"}};
  x.build.image.auth = secret{"hidden4"};
  x.services.push_back({});
  x.services.back().container.body = secret{"hidden5"};
  x.volumes = {{"kept", "/cache", "{}", false}, {"gone", "/tmp", "{}", true}};
  x.network = network_request{"net", R"({"Name":"net"})"};
  x.keep_anonymous_volumes = true;
  return plan;
}

} // namespace

TEST_CASE("what is kept of a plan finds its containers, and tells no secret") {
  std::string folder = "/tmp/muster-leftover.XXXXXX";
  REQUIRE_NE(::mkdtemp(folder.data()), nullptr);
  auto path = folder + "/x";
  REQUIRE(write_leftover(path, plan_with_secrets()));
  std::ostringstream bytes;
  bytes << std::ifstream{path}.rdbuf();
  CHECK_EQ(bytes.str().find("hidden"), std::string::npos);
  auto read = read_leftover(path);
  REQUIRE(read);
  CHECK_EQ(read->key, "k-1");
  CHECK(read->stages.empty());
  REQUIRE(read->containers);
  const auto& x = *read->containers;
  CHECK_EQ(x.host, "unix:///run/e.sock");
  CHECK_EQ(x.job_label, "42");
  CHECK_EQ(x.helper.name, "r-predefined");
  CHECK_EQ(x.build.name, "r-build");
  REQUIRE_EQ(x.volumes.size(), 1);
  CHECK_EQ(x.volumes[0].name, "gone");
  CHECK(x.volumes[0].temporary);
  REQUIRE(x.network);
  CHECK_EQ(x.network->name, "net");
  CHECK(x.keep_anonymous_volumes);
  std::filesystem::resize_file(path, bytes.str().size() / 2);
  CHECK_FALSE(read_leftover(path));
  CHECK_FALSE(read_leftover(folder + "/none"));
  CHECK_FALSE(write_leftover(folder + "/no/such", plan_with_secrets()));
  std::filesystem::remove_all(folder);
}
