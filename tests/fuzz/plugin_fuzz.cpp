// What a plugin prints: its first line, and its log in pieces.

#include "providers/fleeting/handshake.hpp"
#include "providers/fleeting/log_lines.hpp"
#include "providers/fleeting/lookup.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

using namespace muster;

void check(bool holds) {
  if (!holds)
    std::abort();
}

void read_handshake(std::string_view text) {
  auto read = fleeting::parse_handshake(text);
  if (!read) {
    check(!read.error().text.empty() && read.error().text.size() < 1'000);
    return;
  }
  check(!read->target.empty());
  check(read->socket_path.empty() || read->socket_path[0] == '/');
}

/// Cut anywhere, it is the same log.
void read_log(std::string_view text, size_t cut) {
  auto all_of = [&](bool whole) {
    std::string out;
    fleeting::log_reader reader{[&out](const fleeting::log_line& x) {
      out += x.message + '\n' + std::to_string(static_cast<int>(x.at)) + '\n';
    }};
    if (whole) {
      reader.take(text);
    } else {
      reader.take(text.substr(0, cut));
      reader.take(text.substr(cut));
    }
    reader.finish();
    check(reader.last_words().size() <= 500);
    return out;
  };
  check(all_of(true) == all_of(false));
}

void read_name(std::string_view text) {
  auto reference = fleeting::parse_reference(text);
  if (!reference)
    return;
  auto escaped = fleeting::escape_repository(reference->repository);
  if (escaped)
    check(("/" + *escaped + "/").find("/../") == std::string::npos);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text{reinterpret_cast<const char*>(data), size};
  read_handshake(text);
  read_name(text);
  if (size > 0)
    read_log(text.substr(1), data[0] % size);
  return 0;
}
