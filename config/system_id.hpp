#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace muster {

/// Where a machine's identity is taken from; other values are for tests.
struct system_id_sources {
  std::vector<std::string> machine_id_files{"/var/lib/dbus/machine-id",
                                            "/etc/machine-id"};
  /// Fills with random bytes; empty: the system's generator.
  std::function<bool(unsigned char* into, size_t size)> random;
};

struct system_id {
  std::string id; ///< `s_` or `r_` and twelve characters; never empty
  std::string
    warning; ///< not empty: the id holds for this process only, and why
};

/// Returns what tells this machine's managers from others that share a token:
/// the content of `.runner_system_id` in the folder of `config_path`; if that
/// is not there or not an id, a new one, which is written there (mode 0600).
///
/// GitLab Runner makes the same id from the same machine id, so that a machine
/// keeps its identity when muster takes its place.
/// Source: reference/job-api, section 9.
system_id load_system_id(const std::string& config_path,
                         const system_id_sources& from = {});

/// Makes an id without reading or writing the file.
std::string make_system_id(const system_id_sources& from = {});

/// Whether a text is an id: `^[sr]_[0-9a-zA-Z]{12}$`.
bool is_system_id(std::string_view text);

} // namespace muster
