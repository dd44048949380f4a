#include "actors/coordinator/runner_token.hpp"

#include <doctest/doctest.h>

using namespace muster;

namespace {

token_origin with(const char* token) {
  token_origin out;
  out.config_path = "/no/such/config.toml";
  out.state_dir = "/no/such/folder";
  out.url = "https://gl.test";
  out.token = secret{token};
  return out;
}

} // namespace

TEST_CASE("another token in the file is used") {
  runner_token it{with("old")};
  auto found = with("new");
  found.expires_at = unix_time{50};
  CHECK(it.reread(found));
  CHECK_EQ(it.token(), secret{"new"});
  CHECK_EQ(it.written(), secret{"new"});
  CHECK(it.is_saved());
  REQUIRE(it.expires_at());
  CHECK_EQ(it.expires_at()->seconds, 50);
}

TEST_CASE("a file that still has the token before the last waits for ours") {
  runner_token it{with("old")};
  it.replace({secret{"rotated"}, {}, {}});
  CHECK_FALSE(it.reread(with("old")));
  CHECK_EQ(it.token(), secret{"rotated"});
  CHECK_FALSE(it.is_saved());
}

TEST_CASE("a file that has our new token is written, whoever did it") {
  runner_token it{with("old")};
  it.replace({secret{"rotated"}, {}, {}});
  CHECK_FALSE(it.reread(with("rotated")));
  CHECK(it.is_saved());
  SUBCASE("and the old one that an editor brings back is not taken") {
    CHECK_FALSE(it.reread(with("old")));
    CHECK_EQ(it.token(), secret{"rotated"});
    CHECK_FALSE(it.is_saved()); // it is written once more
    CHECK_EQ(it.written(), secret{"old"});
  }
}
