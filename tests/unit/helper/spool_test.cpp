#include "executors/helper/spool.hpp"

#include <csignal>
#include <cstdlib>
#include <doctest/doctest.h>
#include <random>
#include <sys/resource.h>
#include <unistd.h>

using namespace muster;
using namespace muster::helper;
using frames::output_stream;

namespace {

/// A folder for a spool's file; `path` is free.
struct scratch {
  char folder[32] = "/tmp/muster-spool-XXXXXX";
  std::string path;

  scratch() {
    REQUIRE_NE(::mkdtemp(folder), nullptr);
    path = std::string{folder} + "/job.spool";
  }

  scratch(const scratch&) = delete;
  scratch& operator=(const scratch&) = delete;

  /// Fails if a file was left there.
  ~scratch() {
    CHECK_EQ(::rmdir(folder), 0);
  }
};

/// Reads all from an offset on.
std::vector<frames::frame> read_from(spool& from, uint64_t offset) {
  frames::decoder decoder;
  std::vector<frames::frame> result;
  for (;;) {
    auto bytes = from.read(offset);
    REQUIRE(bytes.has_value());
    if (bytes->empty())
      break;
    offset += bytes->size();
    decoder.feed(*bytes);
    for (auto x = decoder.next(); x && *x; x = decoder.next())
      result.push_back(std::move(**x));
    CHECK_EQ(decoder.rest(), "");
  }
  CHECK_EQ(offset, from.size_bytes());
  return result;
}

uint64_t number_of(const frames::frame& x) {
  if (const auto* output = std::get_if<frames::output>(&x))
    return output->record;
  if (const auto* ended = std::get_if<frames::stage_ended>(&x))
    return ended->record;
  return std::get<frames::stage_begun>(x).record;
}

std::string text_of(const std::vector<frames::frame>& records) {
  std::string text;
  for (const auto& x : records)
    if (const auto* output = std::get_if<frames::output>(&x))
      text += output->bytes;
  return text;
}

} // namespace

TEST_CASE("records are numbered without gaps and readable from each of them") {
  scratch here;
  auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 chance{seed};
  spool records{here.path};
  std::string text;
  for (int i = 0; i < 600; ++i) {
    if (i % 10 == 0)
      records.append(frames::stage_begun{0, i, 1, 1});
    std::string piece(chance() % 1'500 + 1, static_cast<char>('a' + i % 26));
    records.append_output(i, output_stream::out, piece);
    text += piece;
  }
  CHECK_EQ(records.records(), 660);
  CHECK_GT(records.size_bytes(), 2 * spool::tail_max);
  CHECK_EQ(text_of(read_from(records, 0)), text);
  for (uint64_t record = 0; record < records.records(); record += 13) {
    auto offset = records.offset_of(record);
    REQUIRE(offset.has_value());
    auto rest = read_from(records, *offset);
    REQUIRE_EQ(rest.size(), records.records() - record);
    for (size_t i = 0; i < rest.size(); ++i)
      CHECK_EQ(number_of(rest[i]), record + i);
  }
  CHECK_EQ(*records.offset_of(660), records.size_bytes());
}

TEST_CASE("a small job touches no disk") {
  spool records{"/nowhere/job.spool"};
  records.append_output(1, output_stream::err, std::string(60'000, 'x'));
  CHECK_EQ(records.loss_text(), "");
  CHECK_EQ(text_of(read_from(records, 0)), std::string(60'000, 'x'));
}

TEST_CASE("a record of any size is read, and what comes after it") {
  scratch here;
  spool records{here.path};
  records.append_output(1, output_stream::out, "before");
  for (size_t size : {130'000, 200'000, 5'000'000}) {
    CAPTURE(size);
    records.append(
      frames::stage_ended{.time_us = 2, .text = std::string(size, 'x')});
    records.append_output(3, output_stream::out, "after");
  }
  records.append_output(4, output_stream::out, std::string(70'000, 'z'));
  auto all = read_from(records, 0);
  REQUIRE_EQ(all.size(), records.records());
  for (size_t i = 0; i < all.size(); ++i)
    CHECK_EQ(number_of(all[i]), i);
  CHECK_EQ(std::get<frames::stage_ended>(all[5]).text.size(), 5'000'000);
  auto offset = records.offset_of(3);
  REQUIRE(offset.has_value());
  CHECK_EQ(read_from(records, *offset).size(), all.size() - 3);
}

TEST_CASE("output larger than a record is cut") {
  scratch here;
  spool records{here.path};
  records.append_output(1, output_stream::out, std::string(200'000, 'x'));
  CHECK_EQ(records.records(), 4);
  CHECK_EQ(text_of(read_from(records, 0)).size(), 200'000);
}

TEST_CASE(
  "beyond the bound output is dropped for good, and stage ends are not") {
  scratch here;
  spool records{here.path, 100'000};
  records.append_output(1, output_stream::out, std::string(60'000, 'a'));
  records.append_output(2, output_stream::out, std::string(60'000, 'b'));
  records.append_output(3, output_stream::out, "small");
  records.append(frames::stage_begun{});
  CHECK_EQ(records.dropped_bytes(), 60'005);
  CHECK_EQ(records.records(), 2);
  CHECK_EQ(text_of(read_from(records, 0)), std::string(60'000, 'a'));
  CHECK_EQ(records.loss_text(),
           "60005 bytes of output were lost: the job wrote more than the "
           "spool's bound of 100000 bytes");
}

TEST_CASE("a disk that refuses the file costs what memory does not take") {
  spool records{"/nowhere/job.spool"};
  std::string text;
  for (int i = 0; i < 150; ++i) {
    std::string piece(65'000, static_cast<char>('a' + i % 26));
    records.append_output(i, output_stream::out, piece);
    text += piece;
  }
  records.append(frames::stage_begun{});
  auto kept = text_of(read_from(records, 0));
  CHECK_GT(kept.size(), 8'000'000);
  CHECK_LT(kept.size(), 9'000'000);
  CHECK_EQ(kept, text.substr(0, kept.size()));
  CHECK_EQ(records.dropped_bytes(), text.size() - kept.size());
  CHECK_NE(records.loss_text().find("the spool cannot be made: No such file"),
           std::string::npos);
}

TEST_CASE(
  "a disk that is full in the middle of a record loses nothing before") {
  scratch here;
  rlimit before{};
  REQUIRE_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit small{100'000, before.rlim_max};
  REQUIRE_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  spool records{here.path};
  std::string text;
  auto write = [&](int pieces) {
    for (int i = 0; i < pieces; ++i) {
      std::string piece(3'000, static_cast<char>('a' + i % 26));
      records.append_output(i, output_stream::out, piece);
      text += piece;
    }
    records.append(frames::stage_begun{});
  };
  write(100);
  CHECK_EQ(text_of(read_from(records, 0)), text);
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  write(4'000); // there is room again: more than memory alone would take
  CHECK(text_of(read_from(records, 0)) == text);
  CHECK_EQ(records.dropped_bytes(), 0);
  CHECK_EQ(records.loss_text(), "");
  CHECK_EQ(number_of(read_from(records, 0).back()), records.records() - 1);
}
