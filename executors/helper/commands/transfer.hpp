#pragma once

#include "executors/helper/commands/files.hpp"
#include "executors/helper/http/client.hpp"

#include <chrono>
#include <set>
#include <string>
#include <string_view>

namespace muster::helper {

struct retry_options {
  int64_t times = 2; ///< further tries
  std::chrono::nanoseconds pause = std::chrono::seconds{1};
};

/// Writes an answer's body to a file from its beginning on, and nothing else.
/// @param what for texts
/// Errors: `no_answer` if the body breaks off; `hopeless` if the file cannot be
/// written.
result<void, transfer_errc> save_body(http_answer& from, int file,
                                      const std::string& what,
                                      transfer_meter meter);

/// Extracts an archive into the folder where we are and tells what is wrong.
/// @return exit status
int extract_here(int file, std::string_view what);

/// Tells once if some of the paths lie in a `.git` folder.
void warn_of_git(const std::set<std::string>& paths);

} // namespace muster::helper
