#include "config/places.hpp"

#include <doctest/doctest.h>

using namespace muster;

TEST_CASE("the default config is muster's if there is one, else the peer's") {
  auto none = [](const std::string&) { return false; };
  auto all = [](const std::string&) { return true; };
  CHECK_EQ(default_config_path({true, "/root", "", "/", none}),
           "/etc/gitlab-runner/config.toml");
  CHECK_EQ(default_config_path({true, "/root", "", "/", all}),
           "/etc/muster/config.toml");
  CHECK_EQ(default_config_path({false, "/home/a", "", "/", none}),
           "/home/a/.gitlab-runner/config.toml");
  CHECK_EQ(default_config_path({false, "/home/a", "", "/", all}),
           "/home/a/.muster/config.toml");
  CHECK_EQ(default_config_path({false, "", "", "/", all}), "./config.toml");
}

TEST_CASE("the state folder is absolute on every host") {
  CHECK_EQ(default_state_dir({true, "/root", "/x", "/", {}}),
           "/var/lib/muster");
  CHECK_EQ(default_state_dir({false, "/home/a", "/x", "/", {}}), "/x/muster");
  CHECK_EQ(default_state_dir({false, "/home/a", "relative", "/", {}}),
           "/home/a/.local/state/muster");
  CHECK_EQ(default_state_dir({false, "", "", "/work", {}}), "/work/.muster");
  CHECK_EQ(default_state_dir({false, "", "", "/", {}}), "/.muster");
  CHECK(default_state_dir(this_host()).starts_with('/'));
}

TEST_CASE("certificates are looked for beside the default configurations") {
  using folders = std::vector<std::string>;
  CHECK_EQ(certificate_folders({true, "/root", "", "/", {}}),
           folders{"/etc/muster/certs", "/etc/gitlab-runner/certs"});
  CHECK_EQ(certificate_folders({false, "/home/a", "", "/", {}}),
           folders{"/home/a/.muster/certs", "/home/a/.gitlab-runner/certs"});
  CHECK_EQ(certificate_folders({false, "", "", "/", {}}), folders{});
}
