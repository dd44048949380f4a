#pragma once

#include "messages/plan.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace muster::helper {

/// How a stage ended that a process of its own carried out.
struct stage_result {
  plan_outcome outcome = plan_outcome::success;
  int32_t exit_code = 0;
  std::string text; ///< for people
};

/// Returns a text for people no longer than such a text helps them; what an
/// Engine says or an image is called may have any length. A character that is
/// cut through goes as a whole.
std::string clipped(std::string text);

/// What the processes of a job's stages leave for their supervisor and for each
/// other: a file in memory that they append to, so that what one knew is there
/// when it was killed. Written by our own program only.
class stage_report {
public:
  explicit stage_report(int file) : file_(file) {
  }

  /// Appends how the stage ended.
  void add(const stage_result& x) const;

  /// Appends what later stages need to know, JSON text.
  void add_state(const std::string& json) const;

  /// Returns how the last stage ended; nothing if it did not say so since
  /// `begin_stage`.
  std::optional<stage_result> result() const;

  /// Returns the last state, empty if there is none.
  std::string state() const;

  /// Marks that what follows is another stage's.
  void begin_stage() const;

private:
  void append(char kind, const std::string& text) const;
  std::string last_of(char kind, bool of_stage) const;

  int file_;
};

} // namespace muster::helper
