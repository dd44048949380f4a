#include "actors/recorder/codec.hpp"
#include "actors/recorder/secret_book.hpp"
#include "actors/recorder/segment.hpp"
#include "actors/recorder/words.hpp"
#include "actors/traced.hpp"

#include <caf/all.hpp>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

std::vector<std::string> type_names() {
  std::vector<std::string> out;
  for (auto x : muster::message_type_names())
    out.emplace_back(x);
  return out;
}

/// Whatever can be read can be shown.
void read_whole(std::string_view bytes, const std::vector<std::string>& types) {
  muster::record x;
  auto read = muster::read_message(bytes, types, {});
  if (read.what.empty() == read.problem.empty())
    std::abort();
  x.type = read.type;
  x.problem = read.problem;
  x.what = read.what;
  muster::words_of(x);
}

} // namespace

/// The first byte chooses whether foreign bytes are a file, a message, or a
/// text that may have a secret.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace muster;
  if (size == 0)
    return 0;
  std::string_view bytes{reinterpret_cast<const char*>(data) + 1, size - 1};
  if (data[0] % 3 == 0) {
    std::string file;
    put_segment_prefix(file);
    std::string payload;
    segment_head head;
    head.types = type_names();
    put_head(payload, head);
    put_frame(file, payload);
    file += bytes;
    auto reader = segment_reader::open(std::move(file));
    if (!reader)
      std::abort();
    raw_record x;
    while (reader->next(x))
      read_whole(x.body, reader->head().types);
  } else if (data[0] % 3 == 1) {
    static const auto types = type_names();
    read_whole(bytes, types);
  } else {
    secret_book book{hash_key{1, 2}};
    auto half = bytes.size() / 2;
    book.number(bytes.substr(0, half));
    std::string out;
    auto text = bytes.substr(half);
    if (book.scrub(text, out) && half >= hidden_set::length_min && half <= 4096
        && out.find(bytes.substr(0, half)) != std::string::npos
        && std::string_view{"<secret#1>"}.find(bytes.substr(0, half))
             == std::string_view::npos)
      std::abort();
  }
  return 0;
}
