#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>

/// Lines of a job's log that a stage itself writes, to its standard output, as
/// the manager's are (executors/plan/trace_text). From any thread.
namespace muster::docker::trace {

void plain(std::string_view text);
void info(std::string_view text);
void warning(std::string_view text);

/// Writes bytes as they are; `fd` is 1 or 2. Ends the process if nobody reads
/// any more: its supervisor is gone.
void bytes(int fd, std::string_view text);

/// What is done at once is told one after the other: lines of a thread wait
/// behind this until it is opened.
class gate {
public:
  /// Writes what has waited; nothing waits from here on.
  void open();

private:
  friend class behind;
  friend void line(const char* begin, std::string_view text);

  std::mutex mutex_;
  bool is_open_ = false;
  std::string held_;
};

/// As long as it lives, its thread's lines wait behind the gate.
class behind {
public:
  explicit behind(std::shared_ptr<gate> what);
  ~behind();

  behind(const behind&) = delete;
  behind& operator=(const behind&) = delete;
};

} // namespace muster::docker::trace
