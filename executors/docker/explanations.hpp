#pragma once

#include "executors/docker/outcome.hpp"
#include "executors/docker/workplace.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace muster::docker {

/// A container of the job as an error names it.
struct named_container {
  const std::string& id;
  const std::string& name;
};

/// Returns what it means that the Engine broke off, with these words, while a
/// script ran in a container.
failure<plan_outcome> went_away(const engine& at, const named_container& what,
                                const std::string& text);

/// An exit code that a script rarely chooses may be another one's doing: the
/// kernel's, for memory, which is told in the log, or that of who removed the
/// container, which is returned and ends the job.
std::optional<failure<plan_outcome>>
explain_exit(const workplace& with, const named_container& what, int32_t code);

/// The same for a command in the helper container, which should go on.
std::optional<failure<plan_outcome>>
explain_command(const workplace& with, const named_container& what,
                int32_t code);

} // namespace muster::docker
