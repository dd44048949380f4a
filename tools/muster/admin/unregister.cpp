#include "tools/muster/admin/access.hpp"
#include "tools/muster/admin/runners.hpp"

#include <algorithm>

namespace muster {

namespace {

bool unregister_one(const runner_entry_facts& runner,
                    const std::string& system) {
  auto with = fields_of(runner);
  auto is_created = is_created_token(runner.token);
  auto what
    = std::string{is_created ? "Unregistering runner manager from GitLab"
                             : "Unregistering runner from GitLab"};
  if (runner.token.empty()) {
    log::error(what + " failed: it has no token"
                 + (runner.token_is_literal ? "" : ". Is the variable set?"),
               with);
    return false;
  }
  auto access = runner_access::make(runner, system);
  if (!access) {
    with.emplace_back("err", access.error().text);
    log::error(what + " client error", with);
    return false;
  }
  auto answer = access->unregister(runner.token);
  if (!answer.error) {
    log::info(what + " succeeded", with);
    return true;
  }
  with.emplace_back("err", answer.error->text);
  log::error(what + (answer.status == 403 ? " forbidden" : " failed"), with);
  return false;
}

/// GitLab is asked only for what can be removed from the file afterwards: takes
/// the others out of `chosen`. Returns whether there were any.
bool drop_what_stays(runner_list& chosen, const std::string& config_path) {
  auto before = chosen.size();
  std::erase_if(chosen, [&](const auto& x) {
    auto can = can_remove_from_file(config_path, x);
    if (can)
      return false;
    auto with = fields_of(x);
    with.emplace_back("err", can.error().text);
    log::error("unregistering needs to change the configuration", with);
    return true;
  });
  return chosen.size() != before;
}

} // namespace

int unregister_runners(const unregister_options& options) {
  const auto& which = options.which;
  if (!options.all && which.name.empty() && which.token.empty()) {
    log::error("which runner? Say --name or --token, or --all-runners");
    return 1;
  }
  auto configured = read_runners(which.config_path);
  if (!configured) {
    log::error(configured.error().text);
    return 1;
  }
  auto chosen = *configured;
  if (!options.all)
    std::erase_if(chosen, [&](const auto& x) { return !is_chosen(x, which); });
  if (chosen.empty() && !options.all && which.token.empty()) {
    log::error("there is no runner of this name: muster list shows all that "
               "there are",
               {{"name", which.name}});
    return 1;
  }
  auto failed = drop_what_stays(chosen, which.config_path);
  if (failed && (!options.all || chosen.empty()))
    return 1;
  if (chosen.empty() && !options.all) { // known to GitLab only
    if (which.url.empty()) {
      log::error("no runner of the configuration has this token: say --url, "
                 "too, for another one");
      return 1;
    }
    chosen.push_back({.url = which.url,
                      .token = which.token,
                      .tls_ca_file = options.tls_ca_file,
                      .tls_cert_file = options.tls_cert_file,
                      .tls_key_file = options.tls_key_file});
  }
  for (auto& x : chosen) {
    if (!options.tls_ca_file.empty())
      x.tls_ca_file = options.tls_ca_file;
    if (!options.tls_cert_file.empty() && !options.tls_key_file.empty()) {
      x.tls_cert_file = options.tls_cert_file;
      x.tls_key_file = options.tls_key_file;
    }
  }
  auto system = system_id_beside(which.config_path);
  runner_list gone;
  for (const auto& x : chosen)
    if (unregister_one(x, system))
      gone.push_back(x);
    else
      failed = true;
  if (failed && options.all)
    log::error("Failed to unregister some runners: they stay in the "
               "configuration");
  // Two entries may share a token: if GitLab has deleted it, the other one's is
  // gone, too. One of a runner made in GitLab stays.
  runner_list leaving;
  std::copy_if(configured->begin(), configured->end(),
               std::back_inserter(leaving), [&](const auto& x) {
                 return std::any_of(
                   gone.begin(), gone.end(), [&](const auto& y) {
                     return x.token == y.token && x.url == y.url
                            && (x.name == y.name || !is_created_token(x.token));
                   });
               });
  if (!leaving.empty() && !remove_from_file(which.config_path, leaving))
    return 1;
  return failed && !options.all ? 1 : 0;
}

} // namespace muster
