#include "tools/muster/own_files.hpp"

#include <filesystem>

namespace muster {

namespace fs = std::filesystem;

std::string own_helper_program() {
  std::error_code ignored;
  auto here = fs::read_symlink("/proc/self/exe", ignored).parent_path();
  for (const auto* place :
       {"muster-helper", "helper/muster-helper", "../lib/muster/muster-helper"})
    if (fs::exists(here / place, ignored))
      return (here / place).lexically_normal();
  return here / "muster-helper";
}

std::string own_helper_image() {
  std::error_code ignored;
  auto archive
    = fs::path{own_helper_program()}.parent_path() / "muster-helper-image.tar";
  return fs::exists(archive, ignored) ? archive.string() : std::string{};
}

} // namespace muster
