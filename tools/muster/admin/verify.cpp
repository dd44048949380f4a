#include "tools/muster/admin/access.hpp"
#include "tools/muster/admin/runners.hpp"

#include <algorithm>

namespace muster {

namespace {

enum class verdict : uint8_t { valid, invalid, unknown };

/// Only a 403 says that a token is not valid: a server that cannot be reached
/// says nothing about it, nor does a variable that is not set here.
verdict verify_one(const runner_entry_facts& runner,
                   const std::string& system) {
  auto with = fields_of(runner);
  auto is_created = is_created_token(runner.token);
  if (runner.token.empty()) {
    log::error(runner.token_is_literal
                 ? "Verifying runner... failed: it has no token"
                 : "Verifying runner... failed: it has no token. "
                   "Is the variable set?",
               with);
    return verdict::unknown;
  }
  auto access = runner_access::make(runner, system);
  if (!access) {
    with.emplace_back("err", access.error().text);
    log::error("Verifying runner... client error", with);
    return verdict::unknown;
  }
  auto answer = access->verify(runner.token);
  if (!answer.error) {
    log::info(is_created ? "Verifying runner... is valid"
                         : "Verifying runner... is alive",
              with);
    return verdict::valid;
  }
  with.emplace_back("err", answer.error->text);
  if (answer.status == 403) {
    log::error(is_created ? "Verifying runner... is not valid"
                          : "Verifying runner... is removed",
               with);
    return verdict::invalid;
  }
  log::error("Verifying runner... failed", with);
  return verdict::unknown;
}

} // namespace

int verify_runners(const runner_choice& which, bool remove) {
  auto runners = read_runners(which.config_path);
  if (!runners) {
    log::error(runners.error().text);
    return 1;
  }
  if (!which.is_empty())
    std::erase_if(*runners,
                  [&](const auto& x) { return !is_chosen(x, which); });
  if (runners->empty() && !which.is_empty()) {
    log::error("no runner matches the filtering parameters: muster list shows "
               "all that there are");
    return 1;
  }
  if (runners->empty())
    return 0;
  auto system = system_id_beside(which.config_path);
  runner_list invalid;
  for (const auto& x : *runners)
    if (verify_one(x, system) == verdict::invalid)
      invalid.push_back(x);
  if (invalid.empty())
    return 0;
  if (!remove) {
    log::error("Failed to verify runners: verify --delete removes those that "
               "are not valid from the configuration");
    return 1;
  }
  return remove_from_file(which.config_path, invalid) ? 0 : 1;
}

} // namespace muster
