#include "actors/recorder/reader.hpp"
#include "actors/recorder/recorder.hpp"
#include "messages/errors.hpp"
#include "tests/scenario/recording_filler.hpp"
#include "tests/support/virtual_system.hpp"

#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <unistd.h>

using namespace muster;
namespace fs = std::filesystem;

namespace {

std::string base64(std::string_view x) {
  constexpr auto digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                          "0123456789+/";
  std::string out;
  for (size_t i = 0; i + 2 < x.size(); i += 3) {
    auto byte = [&](size_t j) {
      return static_cast<uint32_t>(static_cast<uint8_t>(x[i + j]));
    };
    auto bits = byte(0) << 16 | byte(1) << 8 | byte(2);
    for (int shift = 18; shift >= 0; shift -= 6)
      out.push_back(digits[bits >> shift & 63]);
  }
  return out;
}

std::string percent(std::string_view x) {
  std::string out;
  for (char c : x)
    out += std::isalnum(static_cast<unsigned char>(c)) != 0
             ? std::string{c}
             : fmt::format("%{:02X}", static_cast<uint8_t>(c));
  return out;
}

std::string hex(std::string_view x) {
  std::string out;
  for (char c : x)
    out += fmt::format("{:02x}", static_cast<uint8_t>(c));
  return out;
}

/// All forms in which somebody would recognise a secret.
std::vector<std::string> forms_of(const std::string& x) {
  std::vector<std::string> out{x, percent(x), hex(x)};
  for (size_t skip = 0; skip < 3; ++skip)
    out.push_back(base64(std::string_view{x}.substr(skip)));
  // Halves: of what is split over two records.
  out.push_back(x.substr(0, x.size() / 2));
  out.push_back(x.substr(x.size() / 2));
  return out;
}

/// A text in which a secret stands in one of many ways.
std::string text_with(const std::string& x, size_t way) {
  auto half = x.size() / 2;
  auto encoded = [&x](size_t before) {
    auto all = std::string("abc").substr(0, before) + x;
    all.resize((all.size() + 2) / 3 * 3, '!');
    return base64(all);
  };
  switch (way % 8) {
    case 0:
      return "refused: " + x + " it was";
    case 1:
      return "refused: " + percent(x) + " it was";
    case 2:
      return "refused: " + hex(x) + " it was";
    case 3:
    case 4:
    case 5:
      return "refused: " + encoded(way % 8 - 3) + " it was";
    case 6:
      return "it goes on in the next record: " + x.substr(0, half);
    default:
      return x.substr(half) + " was its end";
  }
}

/// A recorder that writes into a folder of its own.
struct bed {
  bed() {
    std::string name = (fs::temp_directory_path() / "muster-rec-XXXXXX");
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    folder = name;
    recorder_options options;
    options.writer.folder = folder.string();
    options.writer.delay = std::chrono::milliseconds(0);
    options.about.run_id = "1f2e3d4c";
    options.about.workers = 1;
    options.unix_us = [] { return int64_t{1'790'000'000'000'000}; };
    door = std::make_unique<recorder>(std::move(options));
  }

  bed(const bed&) = delete;
  bed& operator=(const bed&) = delete;

  ~bed() {
    fs::remove_all(folder);
  }

  /// What is on disk: the files as they are, and their records one behind the
  /// other.
  std::string all() const {
    door->flush();
    std::string out;
    std::string joined;
    auto files = find_segments(folder.string());
    REQUIRE(files);
    for (const auto& x : *files) {
      std::ifstream in{x, std::ios::binary};
      out.append(std::istreambuf_iterator<char>{in},
                 std::istreambuf_iterator<char>{});
      auto reader = read_segment(x);
      REQUIRE(reader);
      raw_record record;
      while (reader->next(record))
        joined += record.body;
    }
    return out + joined;
  }

  fs::path folder;
  std::unique_ptr<recorder> door;
};

} // namespace

TEST_CASE("no secret comes into a recording, whatever field it stands in") {
  bed at;
  test::virtual_system world;
  auto actor = world.spawn_idle();
  auto& self = dynamic_cast<caf::local_actor&>(
    *caf::actor_cast<caf::abstract_actor*>(actor));
  std::vector<std::string> planted;
  std::string former; // told before, and then found in texts
  size_t forms = 0;
  test::filler fill;
  fill.has_exceptions = false;
  fill.random.seed(1);
  fill.sealed = [&] {
    planted.push_back(
      fmt::format("{:03}s3cr&t/{:08x}", planted.size(), fill.random()));
    return planted.back();
  };
  fill.text
    = [&] { return former.empty() ? "nothing" : text_with(former, forms++); };
  test::for_each_type([&](auto x) {
    for (int round = 0; round < 4; ++round) {
      fill.put(x);
      auto what = caf::make_message(x);
      at.door->note(self, what);
      if (!planted.empty())
        former = planted.back();
    }
  });
  CHECK_GT(planted.size(), 500);
  auto all = at.all();
  CHECK_GT(all.size(), 100'000);
  size_t found = 0;
  for (const auto& secret : planted)
    for (const auto& form : forms_of(secret))
      if (all.find(form) != std::string::npos) {
        ++found;
        MESSAGE("found ", form, " of ", secret);
      }
  CHECK_EQ(found, 0);
}

TEST_CASE("what is told with its secret for the first time is clean, too") {
  bed at;
  test::virtual_system world;
  auto actor = world.spawn_idle();
  auto& self = dynamic_cast<caf::local_actor&>(
    *caf::actor_cast<caf::abstract_actor*>(actor));
  job_offer offer;
  offer.info.text = "the answer has glcbt-64_0123456789abcdef in it";
  offer.jobs.resize(1);
  auto& job = offer.jobs[0];
  job.name = "named xyzzy-plugh-1234";
  job.token = secret{"glcbt-64_0123456789abcdef"};
  job.git.repo_url
    = secret{"https://gitlab-ci-token:hunter2-hunter2@gitlab/a/b.git"};
  job.git.ref = "main";
  job.variables.resize(3);
  job.variables[0].key = "DEPLOY";
  job.variables[0].value = secret{"xyzzy-plugh-1234"};
  job.variables[1].key = "CI_SERVER_HOST";
  job.variables[1].value = secret{"gitlab.example.com"};
  job.variables[1].is_public = true;
  job.variables[2].key = "MASKED";
  job.variables[2].value = secret{"masked-value-77"};
  job.variables[2].masked = true;
  at.door->note(self, caf::make_message(offer));
  at.door->note(self, caf::make_message(command_ended{
                        instance_id{"i-1"}, 1,
                        "gitlab.example.com: hunter2-hunter2 masked-value-77",
                        error_of(connection_errc::lost,
                                 "sent bWFza2VkLXZhbHVlLTc3 to it")}));
  auto all = at.all();
  for (const char* x :
       {"0123456789abcdef", "xyzzy", "hunter2", "masked-value", "VkLXZh"}) {
    CAPTURE(x);
    CHECK_EQ(all.find(x), std::string::npos);
  }
  // What everybody sees in GitLab is no reason to hide half of all texts.
  CHECK_NE(all.find("gitlab.example.com: <secret#"), std::string::npos);
  auto reader = recording_reader::open(at.folder.string());
  REQUIRE(reader);
  record x;
  std::vector<record> notes;
  while (reader->next(x))
    notes.push_back(x);
  REQUIRE_EQ(notes.size(), 3);
  REQUIRE(notes[1].what.match_elements<job_offer>());
  const auto& back = notes[1].what.get_as<job_offer>(0).jobs.at(0);
  CHECK_EQ(back.token.reveal(), "#1");
  CHECK_EQ(back.git.ref, "main");
  CHECK_EQ(back.variables[0].value.reveal(), "#3");
  CHECK_EQ(back.name, "named <secret#3>");
}

TEST_CASE("a configuration comes into a recording without its secrets") {
  bed at;
  at.door->keep({secret{"glrt-of-the-environment"}});
  at.door->configured("/etc/config.toml", {}, [](secret_book& secrets) {
    return fmt::format("token = \"<secret#{}>\"\n",
                       secrets.keep("glrt-of-the-file"));
  });
  test::virtual_system world;
  auto actor = world.spawn_idle();
  auto& self = dynamic_cast<caf::local_actor&>(
    *caf::actor_cast<caf::abstract_actor*>(actor));
  at.door->note(self, caf::make_message(retire{
                        "glrt-of-the-environment and glrt-of-the-file"}));
  auto all = at.all();
  CHECK_NE(all.find("token = \"<secret#2>\""), std::string::npos);
  CHECK_NE(all.find("<secret#1> and <secret#2>"), std::string::npos);
  CHECK_EQ(all.find("glrt-of"), std::string::npos);
}
