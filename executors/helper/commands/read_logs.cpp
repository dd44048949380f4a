#include "executors/helper/commands/commands.hpp"
#include "executors/helper/commands/flags.hpp"
#include "executors/helper/commands/log.hpp"
#include "executors/helper/unique_fd.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <thread>
#include <unistd.h>

namespace muster::helper {

namespace {

using namespace std::chrono_literals;

constexpr int no_file_status = 100;
constexpr auto look_interval = 1s;
constexpr auto poll_interval = 500ms;
constexpr size_t line_bytes_max = 16u << 10;

/// Waits for a file to be there.
unique_fd open_log(const std::string& path, std::chrono::nanoseconds patience) {
  auto until = std::chrono::steady_clock::now() + patience;
  for (;;) {
    unique_fd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    if (file || errno != ENOENT
        || std::chrono::steady_clock::now() + look_interval > until)
      return file;
    std::this_thread::sleep_for(look_interval);
  }
}

/// Prints lines with the offset behind each in front; a line that is too long,
/// or that the file ends within, as several.
class printer {
public:
  explicit printer(int64_t offset) : offset_(offset) {
  }

  /// @return whether stdout is still there
  bool take(std::string_view bytes) {
    while (!bytes.empty()) {
      auto end = bytes.find('\n');
      auto n = end == std::string_view::npos ? bytes.size() : end + 1;
      n = std::min(n, line_bytes_max - line_.size());
      line_.append(bytes.substr(0, n));
      bytes.remove_prefix(n);
      if ((line_.back() == '\n' || line_.size() == line_bytes_max) && !flush())
        return false;
    }
    return true;
  }

  bool flush() {
    if (line_.empty())
      return true;
    offset_ += static_cast<int64_t>(line_.size());
    auto text = std::to_string(offset_) + " " + line_;
    if (text.back() != '\n')
      text += '\n';
    line_.clear();
    return ::write(STDOUT_FILENO, text.data(), text.size()) >= 0;
  }

private:
  int64_t offset_;
  std::string line_;
};

} // namespace

int read_logs(const std::vector<std::string>& arguments) {
  std::string path;
  int64_t offset = 0;
  std::chrono::nanoseconds patience = look_interval;
  if (auto wrong = read_flags({{"path", "", &path},
                               {"offset", "", &offset},
                               {"wait-file-timeout", "", &patience}},
                              arguments))
    return log::fatal("read-logs: " + *wrong);
  auto file = open_log(path, patience);
  if (!file && errno == ENOENT) {
    ::dprintf(STDOUT_FILENO, "error reading logs: there is no file %s\n",
              path.c_str());
    return no_file_status;
  }
  if (!file || ::lseek(file.get(), offset, SEEK_SET) < 0) {
    ::dprintf(STDOUT_FILENO, "error reading logs: %s: %s\n", path.c_str(),
              std::strerror(errno));
    return 1;
  }
  printer to{offset};
  std::array<char, 65536> buffer{};
  for (;;) {
    auto n = ::read(file.get(), buffer.data(), buffer.size());
    if (n < 0 && errno != EINTR)
      return log::fatal(std::string{"read-logs: "} + std::strerror(errno));
    if (n > 0 && !to.take({buffer.data(), static_cast<size_t>(n)}))
      return 1;
    if (n != 0)
      continue;
    if (!to.flush())
      return 1;
    std::this_thread::sleep_for(poll_interval);
  }
}

} // namespace muster::helper
