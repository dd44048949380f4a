#include "actors/metrics/process_stats.hpp"

#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sys/resource.h>
#include <unistd.h>
#include <vector>

namespace muster {

namespace {

namespace fs = std::filesystem;

std::string text_of_file(const char* path) {
  std::ifstream in{path};
  return {std::istreambuf_iterator<char>{in}, {}};
}

double number(std::string_view text) {
  double out = 0;
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> out;
  while (!text.empty()) {
    auto end = std::min(text.find(' '), text.size());
    if (end > 0)
      out.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

double boot_time() {
  auto text = text_of_file("/proc/stat");
  constexpr std::string_view key = "\nbtime ";
  auto at = text.find(key);
  return at == std::string::npos
           ? 0
           : number(std::string_view{text}.substr(at + key.size()));
}

} // namespace

void parse_stat(std::string_view text, int64_t ticks_per_second,
                int64_t page_bytes, double boot_s, process_stats& into) {
  // The program's name, in parentheses, may hold anything.
  auto end = text.rfind(')');
  if (end == std::string_view::npos || ticks_per_second <= 0)
    return;
  auto words = words_of(text.substr(end + 1));
  constexpr size_t utime = 11;
  constexpr size_t stime = 12;
  constexpr size_t start = 19;
  constexpr size_t vsize = 20;
  constexpr size_t resident = 21;
  if (words.size() <= resident)
    return;
  auto ticks = static_cast<double>(ticks_per_second);
  into.cpu_s = (number(words[utime]) + number(words[stime])) / ticks;
  into.start_s = boot_s + number(words[start]) / ticks;
  into.virtual_bytes = static_cast<int64_t>(number(words[vsize]));
  into.resident_bytes
    = static_cast<int64_t>(number(words[resident])) * page_bytes;
}

process_stats read_process_stats() {
  process_stats out;
  parse_stat(text_of_file("/proc/self/stat"), sysconf(_SC_CLK_TCK),
             sysconf(_SC_PAGESIZE), boot_time(), out);
  std::error_code ignored;
  for (fs::directory_iterator at{"/proc/self/fd", ignored}, end;
       !ignored && at != end; at.increment(ignored))
    ++out.open_fds;
  if (out.open_fds > 0)
    --out.open_fds; // that of the folder itself
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
    out.fds_max = static_cast<int64_t>(limit.rlim_cur);
  return out;
}

} // namespace muster
