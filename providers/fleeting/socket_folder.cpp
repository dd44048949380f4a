#include "providers/fleeting/socket_folder.hpp"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fmt/format.h>
#include <functional>
#include <random>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace muster::fleeting {

namespace {

namespace fs = std::filesystem;

/// What plugins add: a folder of a socket and the socket, `plugin` and a
/// number.
constexpr size_t added_max = sizeof "/01234567.XXXXXX/plugin4294967295";

constexpr auto base_in_tmp = "/tmp/.muster-plugins-";

/// Names the folders of this process: of a state folder, only one manager is
/// alive, so that what bears another mark is a leftover.
const std::string& mark() {
  static const auto text = [] {
    std::random_device chance;
    return fmt::format("{:08x}", chance());
  }();
  return text;
}

auto unusable(const std::string& folder, const char* why) {
  return fail(provider_errc::not_available,
              fmt::format("the folder {} for the sockets of plugins cannot be "
                          "used: {}",
                          folder, why));
}

/// Nobody else may have made it: who owns the folder owns the connection.
result<void, provider_errc> make_private(const std::string& folder) {
  if (mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST)
    return unusable(folder, std::strerror(errno));
  struct stat info {};
  if (lstat(folder.c_str(), &info) != 0)
    return unusable(folder, std::strerror(errno));
  if (!S_ISDIR(info.st_mode) || info.st_uid != geteuid())
    return unusable(folder, "it belongs to somebody else: remove it");
  if ((info.st_mode & 0777) != 0700 && chmod(folder.c_str(), 0700) != 0)
    return unusable(folder, std::strerror(errno));
  return {};
}

void remove_leftovers(const std::string& base) {
  std::error_code ec;
  fs::directory_iterator entries{base, ec};
  for (; !ec && entries != fs::directory_iterator{}; entries.increment(ec)) {
    std::error_code ignored;
    if (!entries->path().filename().string().starts_with(mark()))
      fs::remove_all(entries->path(), ignored);
  }
}

} // namespace

result<socket_folder, provider_errc>
socket_folder::make(const std::string& state_dir) {
  std::string name = "/tmp/muster-plugin.XXXXXX";
  if (!state_dir.empty()) {
    auto base = state_dir + "/plugins";
    if (base.size() + added_max > sizeof(sockaddr_un::sun_path))
      base = fmt::format("{}{}-{:016x}", base_in_tmp, geteuid(),
                         std::hash<std::string>{}(state_dir));
    if (auto made = make_private(base); !made)
      return tl::unexpected{made.error()};
    remove_leftovers(base);
    name = fmt::format("{}/{}.XXXXXX", base, mark());
  }
  if (mkdtemp(name.data()) == nullptr)
    return unusable(name, std::strerror(errno));
  return socket_folder{std::move(name)};
}

socket_folder& socket_folder::operator=(socket_folder&& other) noexcept {
  std::swap(path_, other.path_);
  return *this;
}

socket_folder::~socket_folder() {
  if (path_.empty())
    return;
  std::error_code ignored;
  fs::remove_all(path_, ignored);
  // The last one takes the folder in /tmp along; the state folder stays whole.
  auto base = fs::path{path_}.parent_path().string();
  if (base.starts_with(base_in_tmp))
    rmdir(base.c_str());
}

void remove_socket(const std::string& path) {
  struct stat info {};
  if (lstat(path.c_str(), &info) == 0 && S_ISSOCK(info.st_mode)
      && info.st_uid == geteuid())
    unlink(path.c_str());
}

} // namespace muster::fleeting
