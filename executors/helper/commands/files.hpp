#pragma once

#include "executors/helper/archive/bytes.hpp"
#include "executors/helper/unique_fd.hpp"

#include <chrono>
#include <optional>
#include <string>

namespace muster::helper {

/// Writes to a file.
class file_sink : public byte_sink {
public:
  file_sink(int file, std::string name) : file_(file), name_(std::move(name)) {
  }

  outcome write(std::string_view bytes) override;

private:
  int file_;
  std::string name_; ///< for texts
};

/// A file that gets its name when it is whole: whoever looks sees the old one
/// or the whole new one. Until then it has no name where the file system can do
/// that, so that nothing is left of a process that is killed.
class new_file {
public:
  /// Makes the folder that is to have the file if there is none.
  static result<new_file, helper_errc> make(const std::string& path);

  new_file(new_file&&) noexcept = default;
  new_file& operator=(new_file&&) = delete;

  /// Removes what was not kept.
  ~new_file();

  int fd() const {
    return fd_.get();
  }

  /// Gives the file its name.
  /// @param modified its time; nothing: now
  outcome keep(std::optional<std::chrono::seconds> modified = {});

private:
  bool give_name();

  new_file(unique_fd fd, std::string path, std::string temporary)
    : fd_(std::move(fd)),
      path_(std::move(path)),
      temporary_(std::move(temporary)) {
  }

  unique_fd fd_;
  std::string path_;
  std::string temporary_; ///< empty while it has none, and once it has its own
};

/// Returns a file without name, in a folder or where temporary files are.
result<unique_fd, helper_errc> scratch_file(const std::string& folder);

/// Reads a file from its beginning.
byte_source content_of(int file);

/// Returns a file's size and time; nothing if there is no such file.
struct file_facts {
  uint64_t size_bytes = 0;
  int64_t modified_ns = 0; ///< since 1970
};
std::optional<file_facts> facts_of(const std::string& path);

/// Tells on stdout, from time to time, how far a transfer is.
class transfer_meter {
public:
  transfer_meter(std::string doing, std::chrono::nanoseconds frequency);

  void add(uint64_t bytes);

private:
  std::string doing_;
  std::chrono::nanoseconds frequency_; ///< 0: never
  std::chrono::steady_clock::time_point begun_;
  std::chrono::steady_clock::time_point next_;
  uint64_t bytes_ = 0;
};

} // namespace muster::helper
