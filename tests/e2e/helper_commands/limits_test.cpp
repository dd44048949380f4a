#include "tests/e2e/helper_commands/run.hpp"
#include "tests/support/sanitized.hpp"

#include <csignal>
#include <cstring>
#include <doctest/doctest.h>
#include <fstream>
#include <random>

using namespace muster::test;

namespace {

constexpr long peak_kib_max = is_sanitized ? 1024 * 1024 : 24 * 1024;

/// A file that does not compress, of so many MiB.
void write_noise(const fs::path& path, int mebibytes) {
  std::mt19937_64 chance{7};
  std::vector<uint64_t> block((1 << 20) / sizeof(uint64_t));
  std::ofstream out{path};
  for (int i = 0; i < mebibytes; ++i) {
    for (auto& x : block)
      x = chance();
    out.write(reinterpret_cast<const char*>(block.data()), 1 << 20);
  }
}

std::vector<std::string> job_of(const store& gitlab) {
  return {"CI_SERVER_URL=" + gitlab.url(), "CI_JOB_TOKEN=t", "CI_JOB_ID=42"};
}

/// Runs a script in a mount namespace of its own, where `small` is a file
/// system of 1 MiB; nothing where that cannot be.
std::optional<command_end> on_small_disk(const std::string& script) {
  fs::create_directory("small");
  auto probe = run_program({"unshare", "-rm", "mount", "-t", "tmpfs", "-o",
                            "size=1m", "tmpfs", "small"});
  if (probe.status != 0) {
    MESSAGE("skipped: no mount namespaces here: ", probe.err);
    return std::nullopt;
  }
  return run_program({"unshare", "-rm", "sh", "-c",
                      "mount -t tmpfs -o size=1m tmpfs small && " + script});
}

} // namespace

TEST_CASE("large artifacts take no memory, up or down") {
  scratch here;
  store gitlab;
  gitlab.count_only();
  write_noise("big", 256);
  for (const auto* format : {"zip", "raw", "tarzstd"}) {
    auto up
      = run_helper({"artifacts-uploader", "--path", "big", "--artifact-format",
                    format, "--compression-level", "fast"},
                   job_of(gitlab));
    CAPTURE(format);
    CAPTURE(up.err);
    REQUIRE_EQ(up.status, 0);
    CHECK_GT(gitlab.seen().back().body_bytes, 256u << 20);
    CHECK_LT(up.peak_kib, peak_kib_max);
  }
  REQUIRE_EQ(run_helper({"cache-archiver", "--file", "../c.zip", "--path",
                         "big", "--compression-level", "fastest"})
               .status,
             0);
  auto size = fs::file_size("../c.zip");
  fs::remove("big");
  gitlab.on_request([size](const seen_request&, httplib::Response& to) {
    auto file = std::make_shared<std::ifstream>("../c.zip");
    to.set_content_provider(
      size, "application/zip",
      [file](size_t offset, size_t length, httplib::DataSink& sink) {
        std::vector<char> piece(std::min<size_t>(length, 1 << 20));
        file->seekg(static_cast<std::streamoff>(offset));
        file->read(piece.data(), static_cast<std::streamsize>(piece.size()));
        return sink.write(piece.data(), piece.size());
      });
  });
  auto down = run_helper({"artifacts-downloader"}, job_of(gitlab));
  CAPTURE(down.err);
  CHECK_EQ(down.status, 0);
  CHECK_EQ(fs::file_size("big"), 256u << 20);
  CHECK_LT(down.peak_kib, peak_kib_max);
}

TEST_CASE("a full disk is told and leaves no file that looks whole") {
  scratch here;
  write_noise("big", 3);
  REQUIRE_EQ(
    run_helper({"cache-archiver", "--file", "../c.zip", "--path", "big"})
      .status,
    0);
  auto extract
    = on_small_disk(std::string{"cd small && "} + MUSTER_HELPER
                    + " cache-extractor --file ../../c.zip; echo $?; ls -A .");
  if (!extract)
    return;
  CHECK(has(extract->err, "No space left on device"));
  CHECK(has(extract->err, "the file system is full"));
  CHECK_EQ(extract->out, "1\n");
  auto archive = on_small_disk(
    std::string{MUSTER_HELPER}
    + " cache-archiver --file small/c.zip --path big; echo $?; ls -A small");
  REQUIRE(archive.has_value());
  CHECK(has(archive->err, "No space left on device"));
  CHECK_EQ(archive->out, "1\n");
  store gitlab;
  gitlab.on_request([](const seen_request&, httplib::Response& to) {
    to.set_content(std::string(3u << 20, 'x'), "application/zip");
  });
  auto download = on_small_disk(
    "CI_SERVER_URL=" + gitlab.url() + " CI_JOB_TOKEN=t CI_JOB_ID=1 "
    + "ARCHIVER_STAGING_DIR=small " + MUSTER_HELPER
    + " artifacts-downloader; echo $?; ls -A small");
  REQUIRE(download.has_value());
  CHECK(has(download->err, "No space left on device"));
  CHECK_EQ(download->out, "1\n");
  CHECK_EQ(gitlab.seen().size(), 1);
}

TEST_CASE("nothing is left of an archive whose making was killed") {
  scratch here;
  write_noise("big", 3);
  fs::create_directory("cache");
  // The shell's unit is 512 bytes; beyond it a signal ends the process.
  auto end = run_program({"sh", "-c",
                          std::string{"ulimit -f 2000; exec "} + MUSTER_HELPER
                            + " cache-archiver --file cache/c.zip --path big"});
  CHECK_EQ(end.status, 128 + SIGXFSZ);
  CHECK(fs::is_empty("cache"));
}

TEST_CASE("a raw artifact may be a link to a file, and what cannot "
          "be read is not tried again") {
  scratch here;
  store gitlab;
  write_file("target", "content");
  for (const auto* target : {"target", "nowhere", "."}) {
    fs::remove("link");
    fs::create_symlink(target, "link");
    auto end = run_helper(
      {"artifacts-uploader", "--path", "link", "--artifact-format", "raw"},
      job_of(gitlab));
    CAPTURE(end.err);
    auto fine = std::string{target} == "target";
    CHECK_EQ(end.status, fine ? 0 : 1);
    CHECK_EQ(has(end.err, "FATAL: "), !fine);
  }
  // One request each, whether it came to be one or not.
  auto seen = gitlab.seen();
  REQUIRE_GE(seen.size(), 1);
  CHECK_LE(seen.size(), 3);
  CHECK_EQ(seen[0].body, "content");
}
