#include "config/tokens.hpp"

#include "config/source.hpp"

#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <fstream>
#include <sys/stat.h>

using namespace muster;
namespace fs = std::filesystem;

namespace {

struct place {
  fs::path path;
  std::string config;

  explicit place(const std::string& text) {
    auto name = (fs::temp_directory_path() / "tokens-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
    config = (path / "config.toml").string();
    std::ofstream{config} << text;
  }

  place(const place&) = delete;
  place& operator=(const place&) = delete;

  ~place() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }

  std::string text() const {
    return read_source(config).value_or("(none)");
  }
};

constexpr auto url = "https://gitlab.example.com";
const secret old_token{"glrt-old"};
const fresh_token fresh{
  secret{"glrt-new"}, {1'700'000'000}, unix_time{1'800'000'000}};

} // namespace

TEST_CASE("a new token is written wherever the old one stood") {
  place at{"[[runners]]\nurl = 'https://gitlab.example.com'\ntoken = 'glrt-old'"
           " # mine\nexecutor = 'instance'\n[[runners]]\n"
           "url = 'https://other.example.com'\ntoken = 'glrt-old'\n"};
  CHECK(can_write_token(at.config, url, old_token));
  auto before = at.text();
  CHECK_NE(before.find("glrt-old"), std::string::npos);
  auto done = write_token(at.config, url, old_token, fresh);
  CHECK_MESSAGE(done, (done ? "" : done.error().text));
  CHECK_EQ(at.text(),
           "[[runners]]\nurl = 'https://gitlab.example.com'\ntoken = "
           "\"glrt-new\" # mine\ntoken_obtained_at = 2023-11-14T22:13:20Z\n"
           "token_expires_at = 2027-01-15T08:00:00Z\nexecutor = 'instance'\n"
           "[[runners]]\nurl = 'https://other.example.com'\ntoken = "
           "'glrt-old'\n");
  auto gone = write_token(at.config, url, old_token, fresh);
  REQUIRE_FALSE(gone);
  CHECK_NE(gone.error().text.find("any more"), std::string::npos);
}

TEST_CASE("a token of the environment is not replaced in the file") {
  place at{"[[runners]]\nurl = 'https://gitlab.example.com'\n"
           "token = '$MUSTER_TEST_TOKEN'\n"};
  REQUIRE_EQ(::setenv("MUSTER_TEST_TOKEN", "glrt-old", 1), 0);
  auto before = at.text();
  for (const auto& done : {can_write_token(at.config, url, old_token),
                           write_token(at.config, url, old_token, fresh)}) {
    REQUIRE_FALSE(done);
    CHECK_NE(done.error().text.find("environment"), std::string::npos);
    CHECK_EQ(done.error().text.find("glrt-"), std::string::npos);
  }
  CHECK_EQ(at.text(), before);
  ::unsetenv("MUSTER_TEST_TOKEN");
}

TEST_CASE("a kept token is found by the old one, and by nothing else") {
  place at{""};
  kept_tokens kept{(at.path / "state").string()};
  CHECK_FALSE(kept.find(url, old_token));
  auto file = kept.keep(url, old_token, fresh);
  REQUIRE(file);
  CHECK_EQ(file->find("glrt"), std::string::npos);
  struct stat facts {};
  REQUIRE_EQ(::stat(file->c_str(), &facts), 0);
  CHECK_EQ(facts.st_mode & 07777, 0600);
  auto found = kept.find(url, old_token);
  REQUIRE(found);
  CHECK_EQ(found->token.reveal(), "glrt-new");
  CHECK_EQ(found->obtained_at.seconds, 1'700'000'000);
  CHECK_EQ(found->expires_at->seconds, 1'800'000'000);
  CHECK_FALSE(kept.find("https://other.example.com", old_token));
  CHECK_FALSE(kept.find(url, secret{"glrt-other"}));
  std::ofstream{*file} << "garbage";
  CHECK_FALSE(kept.find(url, old_token));
  kept.drop(url, old_token);
  CHECK_FALSE(fs::exists(*file));
  kept_tokens nowhere{"/proc/nothing"};
  CHECK_EQ(nowhere.keep(url, old_token, fresh).error().code,
           config_errc::not_writable);
}
