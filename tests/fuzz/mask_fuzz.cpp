// Masks a text cut into writes and looks for the phrases in what comes out.
// Built by hand:
//
//   clang++-19 -std=c++20 -g -O1 -fsanitize=fuzzer,address,undefined -I. \
//     tests/fuzz/mask_fuzz.cpp actors/trace/{byte_set,mask,phrase_set}.cpp \
//     -o /tmp/mask-fuzz && /tmp/mask-fuzz -max_total_time=60

#include "actors/trace/mask.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

namespace {

using namespace muster;

class text_sink final : public trace_sink {
public:
  void text(std::string_view bytes) override {
    all += bytes;
  }

  void mask() override {
    all += '\0'; // cannot become part of a phrase
  }

  std::string all;
};

std::string masked(const std::vector<std::string>& phrases,
                   std::string_view text, size_t write_size) {
  text_sink end;
  token_filter tokens{
    std::make_shared<phrase_set>(token_prefixes(phrases, true)), end};
  url_filter urls{tokens};
  phrase_filter filter{std::make_shared<phrase_set>(phrases), urls};
  for (size_t at = 0; at < text.size(); at += write_size)
    filter.text(text.substr(at, write_size));
  filter.close();
  urls.close();
  tokens.close();
  return end.all;
}

} // namespace

/// The first byte is the size of writes; then phrases, each ended by a zero
/// byte, up to an empty one; the rest is the text.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2)
    return 0;
  std::string_view input{reinterpret_cast<const char*>(data), size};
  size_t write_size = data[0] % 32 + 1;
  input.remove_prefix(1);
  std::vector<std::string> phrases;
  for (;;) {
    auto end = input.find('\0');
    if (end == input.npos || end == 0 || phrases.size() == 8) {
      input.remove_prefix(end == 0 ? 1 : 0);
      break;
    }
    phrases.emplace_back(input.substr(0, end));
    input.remove_prefix(end + 1);
  }
  if (input.empty())
    return 0;
  auto pieces = masked(phrases, input, write_size);
  if (pieces != masked(phrases, input, input.size()))
    std::abort(); // where writes are cut must not matter
  for (const auto& phrase : phrases)
    if (pieces.find(phrase) != pieces.npos)
      std::abort(); // it leaked
  return 0;
}
