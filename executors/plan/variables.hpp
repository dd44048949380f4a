#pragma once

#include "messages/payload.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace muster {

/// The variables of a job in the order of their precedence: the last of a name
/// wins (reference/job-stages, section 4).
class job_variables {
public:
  /// @param temp_dir where file variables will be; a file variable that is
  /// referenced stands for its path there
  job_variables() = default;
  explicit job_variables(std::string temp_dir);

  void add(job_variable x);

  /// Adds a variable of the runner's own: shown, not expanded.
  void add(std::string key, std::string value);

  /// Returns the value in force, not expanded; of a file variable its path.
  std::optional<std::string> find(std::string_view key) const;

  /// Returns the value in force as `find` does, empty if there is none.
  std::string value(std::string_view key) const;

  /// Replaces `$NAME` and `${NAME}` by the values in force, unknown names and
  /// the shell's special parameters by nothing, and `$$` by `$`.
  std::string expand(std::string_view text) const;

  /// Returns the variables with their values expanded, once and against the
  /// unexpanded ones, all in the same order. `raw` ones are left as they are.
  job_variables expanded() const;

  const std::vector<job_variable>& all() const {
    return all_;
  }

  /// Returns those in force: the last of each name.
  std::vector<job_variable> in_force() const;

private:
  const job_variable* last(std::string_view key) const;

  std::string temp_dir_;
  std::vector<job_variable> all_;
};

/// Splits at blanks, as the peer does with flags and paths.
std::vector<std::string> words_of(std::string_view text);

} // namespace muster
