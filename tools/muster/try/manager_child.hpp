#pragma once

#include "messages/result.hpp"
#include "tools/muster/try/local_engine.hpp"

#include <chrono>
#include <ios>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace muster {

enum class child_errc : uint8_t {
  folder = 1, ///< the folder cannot be made or used
  process,    ///< the manager cannot be started
};

/// What the manager of a try is told.
struct child_settings {
  std::string url;   ///< of the GitLab
  std::string token; ///< of the runner
  std::string cache; ///< folder of caches that outlive the try
  int concurrent = 4;
  std::optional<local_engine> engine; ///< jobs run in its containers
  std::string image;                  ///< there, of jobs that name none
};

/// A folder of a try's own below the state folder, for as long as this object
/// lives. Those of tries that were killed are removed when the next one begins,
/// with the instances and the containers that they left.
class try_folder {
public:
  /// Errors: `folder`.
  static result<try_folder, child_errc> make(const std::string& state_dir);

  try_folder(try_folder&& other) noexcept;
  try_folder& operator=(try_folder&&) = delete;
  ~try_folder();

  const std::string& path() const {
    return path_;
  }

private:
  try_folder() = default;

  std::string path_;
  int lock_ = -1; ///< held while it is in use
};

/// `muster run` as a child: with a configuration in a try's folder, in a
/// process group of its own so that Ctrl-C at the terminal does not reach it.
/// Ends with this object, by force if it must; so do its instances.
class manager_child {
public:
  /// Errors: both codes.
  static result<manager_child, child_errc> start(const try_folder& place,
                                                 const child_settings& what);

  manager_child(manager_child&& other) noexcept;
  manager_child& operator=(manager_child&&) = delete;
  ~manager_child();

  bool is_alive();
  void signal(int number) const;
  /// Tells it to end and waits; then ends it by force, with what it left.
  void stop(std::chrono::milliseconds patience);

  /// Its log, in JSON.
  std::string log_file() const;
  /// What it said last of errors and warnings, for people.
  std::string complaints() const;
  /// What it has said of them since the last call, but for what is of one job:
  /// that job's log says it, too.
  std::vector<std::string> news();

private:
  manager_child() = default;

  std::string place_;
  pid_t pid_ = -1;
  std::streamoff told_ = 0; ///< of the log: what `news` has seen [bytes]
};

} // namespace muster
