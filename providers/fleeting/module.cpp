#include "providers/fleeting/module.hpp"

#include <cstdlib>
#include <dlfcn.h>
#include <filesystem>
#include <fmt/format.h>
#include <string_view>

namespace muster::fleeting {

namespace {

namespace fs = std::filesystem;

constexpr auto file_name = "muster-fleeting.so";

/// Where it is: installed beside the helper, or where it is built.
std::string module_path() {
  std::error_code ignored;
  auto here = fs::read_symlink("/proc/self/exe", ignored).parent_path();
  for (const auto* folder : {".", "../lib/muster", "../providers/fleeting"})
    if (auto file = here / folder / file_name; fs::exists(file, ignored))
      return file.lexically_normal();
  return (here / "../lib/muster" / file_name).lexically_normal();
}

} // namespace

void prepare_environment() {
  // A thread that looks at each idle connection and wakes twice a second for
  // it, which is a third of what an idle manager with a plugin uses. Of a
  // plugin's end its process tells.
  setenv("GRPC_CLIENT_CHANNEL_BACKUP_POLL_INTERVAL_MS", "0", 0);
}

result<const link_module*, provider_errc>
load_link_module(const std::string& path) {
  auto file = path.empty() ? module_path() : path;
  auto unusable = [&file](std::string_view why) {
    return fail(provider_errc::not_available,
                fmt::format("fleeting plugins need muster's module {}: {}: "
                            "install muster whole",
                            file, why));
  };
  // Never closed: gRPC keeps threads.
  auto* handle = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* why = dlerror();
    return unusable(why == nullptr ? "it cannot be loaded" : why);
  }
  auto* found = dlsym(handle, link_module_symbol);
  if (found == nullptr)
    return unusable("it is something else");
  const auto* module = reinterpret_cast<const link_module* (*)()>(found)();
  if (std::string_view{module->version} != MUSTER_VERSION)
    return unusable(fmt::format("it is of version {}, and this is {}",
                                module->version, MUSTER_VERSION));
  return module;
}

} // namespace muster::fleeting
