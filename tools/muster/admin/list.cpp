#include "config/config.hpp"
#include "config/userinfo.hpp"
#include "tools/muster/admin/runners.hpp"

namespace muster {

int list_runners(const std::string& config_path) {
  log::info("Listing configured runners", {{"ConfigFile", config_path}});
  auto runners = read_runners(config_path);
  if (!runners) {
    log::warning("the configuration cannot be read",
                 {{"err", runners.error().text}});
    return 0; // as GitLab Runner's
  }
  for (const auto& x : *runners)
    log::info(x.name, {{"Executor", x.executor},
                       {"Token", short_token(x.token)},
                       {"URL", without_userinfo(x.url)}});
  return 0;
}

} // namespace muster
