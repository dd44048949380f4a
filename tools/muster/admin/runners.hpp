#pragma once

#include "config/edit.hpp"
#include "config/log.hpp"
#include "messages/error_codes.hpp"
#include "tools/muster/admin/commands.hpp"

#include <functional>
#include <vector>

namespace muster {

// What the commands on runners share.

using runner_list = std::vector<runner_entry_facts>;

/// All runners of a configuration, in its order; one that is missing has none.
result<runner_list, config_errc> read_runners(const std::string& config_path);

/// Whether the runner has the name, or the token and the URL, that are asked
/// for.
bool is_chosen(const runner_entry_facts& runner, const runner_choice& which);

log::fields fields_of(const runner_entry_facts& runner);

/// Finds a runner again in a file that may have been changed meanwhile: by URL
/// and token. Nothing if it is not there any more.
std::optional<size_t> find_runner(const config_text& in,
                                  const runner_entry_facts& runner);

/// Removes runners from the file. Returns whether that worked; what did not is
/// logged.
bool remove_from_file(const std::string& config_path,
                      const runner_list& runners);

/// Does all of that but the last step, for one runner: nothing is changed.
/// Errors: those of `rewrite_config`.
result<void, config_errc>
can_remove_from_file(const std::string& config_path,
                     const runner_entry_facts& runner);

/// This machine's identity, as `run` with the same configuration has it.
std::string system_id_beside(const std::string& config_path);

} // namespace muster
