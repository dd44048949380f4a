#include "tools/muster/terminal.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace muster {

namespace {

bool is_control(unsigned char x) {
  return x < ' ' || x == 0x7F;
}

} // namespace

std::string printable(std::string text) {
  for (size_t i = 0; i < text.size(); ++i) {
    auto c = static_cast<unsigned char>(text[i]);
    if (is_control(c))
      text[i] = '?';
    // U+0080 to U+009F in UTF-8: terminals obey these, too.
    if (c == 0xC2 && i + 1 < text.size()
        && static_cast<unsigned char>(text[i + 1]) < 0xA0)
      text.replace(i, 2, "?");
  }
  return text;
}

void complain(const std::string& text) {
  std::fprintf(stderr, "muster: %s\n", printable(text).c_str());
}

int after_output(int status) {
  errno = 0;
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0)
    return status;
  complain(
    "the output could not be written"
    + (errno == 0 ? std::string{} : std::string{": "} + std::strerror(errno)));
  return 2;
}

} // namespace muster
