#include "tools/muster/memory.hpp"

#include <cstdint>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <malloc.h>
#include <string>
#include <sys/mman.h>

namespace muster {

namespace {

using namespace std::chrono_literals;
using std::chrono::nanoseconds;

/// Of CPU time in an interval: an idle manager takes 2 ms, one with a single
/// tiny job a second 40.
constexpr nanoseconds quiet_max = 20ms;

/// Of CPU time since memory was given back: less has not touched much.
constexpr nanoseconds worthwhile = 10ms;

nanoseconds cpu_time() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return std::chrono::seconds{time.tv_sec} + nanoseconds{time.tv_nsec};
}

/// Only code: what else is mapped from files may have been written to since,
/// relocations above all, and would be lost.
void drop_code_pages() {
  std::ifstream maps{"/proc/self/maps"};
  for (std::string line; std::getline(maps, line);) {
    uintptr_t from = 0;
    uintptr_t to = 0;
    char mode[5] = {};
    if (line.find('/') == std::string::npos
        || std::sscanf(line.c_str(), "%lx-%lx %4s", &from, &to, mode) != 3
        || std::string_view{mode} != "r-xp")
      continue;
    // NOLINTNEXTLINE(performance-no-int-to-ptr): that is what the kernel gives
    madvise(reinterpret_cast<void*>(from), to - from, MADV_DONTNEED);
  }
}

} // namespace

void memory_keeper::look() {
  auto now = cpu_time();
  auto used = now - seen_;
  seen_ = now;
  if (used > quiet_max || now - trimmed_ < worthwhile)
    return;
  malloc_trim(0);
  drop_code_pages();
  trimmed_ = cpu_time();
}

} // namespace muster
