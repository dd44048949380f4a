#include "tools/muster/print.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace muster {

int print(const std::string& text) {
  if (std::fputs(text.c_str(), stdout) != EOF && std::fflush(stdout) == 0)
    return 0;
  std::fprintf(stderr, "muster: the output cannot be written: %s\n",
               std::strerror(errno));
  return 2;
}

} // namespace muster
