#include "tools/muster/connector.hpp"

#include "executors/ssh/host_key.hpp"
#include "executors/ssh/keys.hpp"
#include "providers/static/options.hpp"
#include "providers/static/static_group.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace muster {

namespace {

constexpr size_t key_bytes_max = 64 * 1024;

tl::unexpected<failure<provider_errc>> unreadable(const std::string& path,
                                                  const std::string& why) {
  // The words of GitLab Runner, which operators look for.
  return fail(
    provider_errc::bad_config,
    fmt::format("reading instance group connector key: {}: {}", path, why));
}

/// What the words of the key's reader are about.
std::string without_layer(const std::string& text) {
  constexpr std::string_view layer = "authentication: ";
  return text.starts_with(layer) ? text.substr(layer.size()) : text;
}

std::string advice(const secret& passphrase) {
  return passphrase.empty() ? ", or set key_passphrase in [runners.muster]"
                            : "";
}

connector_fault of_hosts(std::string text, bool may_heal = false) {
  return {"plugin_config", "static provider: " + std::move(text), may_heal};
}

/// Keys of single hosts, and the keys that they shall present.
void check_hosts(const given::options& options,
                 const connector_config& connector,
                 std::vector<connector_fault>& out) {
  if (auto wrong = fault_of(options, connector); !wrong.empty())
    out.push_back(of_hosts(wrong));
  for (const auto& x : options.hosts) {
    if (!x.host_key.empty() && !ssh::parse_host_key(x.host_key))
      out.push_back(of_hosts(fmt::format("the host_key of {} is no key: write "
                                         "TYPE BASE64, as in a .pub file",
                                         x.id)));
    const auto& passphrase
      = x.key_passphrase.empty() ? connector.key_passphrase : x.key_passphrase;
    if (!x.key.empty()) {
      if (auto key = ssh::parse_private_key(x.key.reveal()); !key)
        out.push_back(of_hosts(
          fmt::format("key of {}: {}", x.id, without_layer(key.error().text))));
    } else if (!x.key_path.empty()) {
      if (auto key = read_private_key(x.key_path, passphrase); !key)
        out.push_back(
          of_hosts(fmt::format("host {}: {}", x.id, key.error().text), true));
    }
  }
}

} // namespace

result<secret, provider_errc> read_private_key(const std::string& path,
                                               const secret& passphrase) {
  // Not blocking: a path may name a pipe.
  auto fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0)
    return unreadable(path, std::strerror(errno));
  struct stat about = {};
  std::string text(key_bytes_max + 1, '\0');
  auto is_file = fstat(fd, &about) == 0 && S_ISREG(about.st_mode);
  auto size = is_file ? read(fd, text.data(), text.size()) : -1;
  auto why = is_file ? std::strerror(errno) : "is no file";
  close(fd);
  if (size < 0)
    return unreadable(path, why);
  text.resize(static_cast<size_t>(size));
  if (text.size() > key_bytes_max)
    return unreadable(path, "is too large for a private key");
  auto key = ssh::unlock_key(text, passphrase.reveal());
  if (!key) {
    auto words = without_layer(key.error().text);
    auto locked = words.find("by a passphrase: give one") != std::string::npos;
    return unreadable(path, words + (locked ? advice(passphrase) : ""));
  }
  return secret{std::move(*key)};
}

std::vector<connector_fault> connector_faults(const autoscaler_config& group) {
  std::vector<connector_fault> out;
  const auto& connector = group.connector;
  if (group.plugin == "local")
    return out;
  if (!connector.key_path.empty())
    if (auto key
        = read_private_key(connector.key_path, connector.key_passphrase);
        !key)
      out.push_back({"key_path", key.error().text, true});
  if (group.plugin == "static")
    if (auto options = given::parse_options(group.plugin_config_json))
      check_hosts(*options, connector, out);
  return out;
}

} // namespace muster
