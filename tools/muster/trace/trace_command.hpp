#pragma once

#include "actors/recorder/reader.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace CLI {
class App;
}

namespace muster {

/// Which records of a recording somebody wants to see.
struct record_filter {
  std::string role; ///< a part of who sends or is told; empty: all
  std::string type; ///< of the message; empty: all
  std::string text; ///< in the line, in any case of letters; empty: all
  std::optional<int64_t> since_us; ///< Unix time [us]
  std::optional<int64_t> until_us;
  bool inputs = false; ///< only what comes from outside
};

/// Whether a record is wanted; `line` is what is shown of it.
bool is_wanted(const record& x, const std::string& line,
               const record_filter& filter);

/// A record as a line: `TIME FROM -> TO MESSAGE`.
std::string line_of(const record& x);

/// Opens what a command reads: the recordings in `path`, or if it is empty
/// those where the configuration has them. Errors: `not_readable`: there are
/// none, a pipe or a device is in their place, or the configuration cannot be
/// read.
result<recording_reader, journal_errc>
open_recordings(const std::string& path, const std::string& config_path,
                snapshots wanted = snapshots::first);

/// `muster trace cat|grep|stat`.
class trace_commands {
public:
  /// Adds them; they set `status` when they are called.
  void add_to(CLI::App& app, int& status, const std::string& config_path);

private:
  void cat(int& status) const;
  void stat(int& status) const;

  std::string config_path_;
  std::string path_; ///< empty: where the configuration says
  std::string since_;
  std::string until_;
  record_filter filter_;
  bool json_ = false;
  bool snapshots_ = false;
};

} // namespace muster
