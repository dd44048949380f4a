#pragma once

#include "config/config.hpp"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace muster {

/// By which the journal knows a runner's jobs: its url and GitLab's number of
/// it, or its short token; and its mark, if it needs one.
std::string journal_name(const runner_config& x);

/// Marks runners that GitLab takes for one, by their names here, so that none
/// takes over the jobs of another after a restart. Those without a name of
/// their own among them are numbered in the order of the file.
void tell_apart(std::vector<runner_config>& runners);

/// Which of the names that the journal has are to be others now: a runner has
/// got, or lost, another one that GitLab takes for the same. What no runner can
/// have been is left out.
std::map<std::string, std::string>
journal_renames(const std::set<std::string>& written,
                const std::vector<runner_config>& runners);

} // namespace muster
