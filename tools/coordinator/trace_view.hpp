#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace muster::gitlab {

/// Makes a trace readable as it comes in: without timestamp headers and section
/// markers (reference/trace), and without colours unless wanted. Also picks up
/// on which instance and slot the job runs.
class trace_view {
public:
  explicit trace_view(bool colours = false) : colours_(colours) {
  }

  /// Takes the next bytes; returns the lines that are complete now.
  std::vector<std::string> feed(std::string_view bytes);
  /// The trace has ended: returns what is left.
  std::vector<std::string> finish();

  /// From the line `Instance <id> connected`; empty before it.
  const std::string& instance() const {
    return instance_;
  }
  /// From the first `slot <n>` at or after that line; empty if there is none.
  const std::string& slot() const {
    return slot_;
  }

private:
  void add(std::string_view raw, std::vector<std::string>& to);
  void look_at(std::string_view line);

  bool colours_;
  std::string rest_;
  std::string instance_;
  std::string slot_;
};

/// `text` without ANSI sequences.
std::string without_colours(std::string_view text);

} // namespace muster::gitlab
