#include "providers/local/host.hpp"

#include "providers/local/launch.hpp"

#include <cstdlib>
#include <filesystem>
#include <fmt/format.h>
#include <map>
#include <pwd.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <vector>

namespace muster::local {

namespace {

namespace fs = std::filesystem;

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> out;
  for (;;) {
    auto end = text.find(at);
    out.push_back(text.substr(0, end));
    if (end == std::string_view::npos)
      return out;
    text.remove_prefix(end + 1);
  }
}

} // namespace

result<machine, provider_errc> survey_machine() {
  machine out;
  auto user = own_account();
  if (!user)
    return fail(provider_errc::not_available,
                fmt::format("local provider: user {} has no entry in "
                            "/etc/passwd, which sshd needs: add one",
                            geteuid()));
  out.user = *user;
  out.sshd = find_sshd();
  if (out.sshd.empty())
    return fail(provider_errc::not_available,
                "local provider: there is no sshd on this machine: install "
                "openssh-server");
  out.resolver = resolver_folder();
  auto obstacle = geteuid() == 0
                    ? isolation_obstacle()
                    : std::optional<std::string>{"namespaces take root"};
  out.isolated = !obstacle;
  out.isolation_text
    = out.isolated
        ? "each local instance has namespaces of its own"
        : fmt::format("jobs run on this machine without isolation, as {} ({})",
                      out.user.name, *obstacle);
  return out;
}

std::optional<account> own_account() {
  std::vector<char> buffer(16'384);
  passwd entry{};
  passwd* found = nullptr;
  if (getpwuid_r(geteuid(), &entry, buffer.data(), buffer.size(), &found) != 0
      || found == nullptr)
    return std::nullopt;
  std::string shell = entry.pw_shell;
  return account{entry.pw_name, entry.pw_dir,
                 shell.empty() ? "/bin/sh" : shell};
}

std::string find_sshd() {
  std::vector<std::string> folders{"/usr/sbin", "/usr/local/sbin", "/sbin"};
  if (const auto* path = std::getenv("PATH"))
    for (auto part : split(path, ':'))
      folders.emplace_back(part);
  for (const auto& folder : folders) {
    auto program = folder + "/sshd";
    // sshd refuses to be started by a relative path.
    if (program[0] == '/' && access(program.c_str(), X_OK) == 0)
      return program;
  }
  return "";
}

std::string architecture() {
  utsname name{};
  uname(&name);
  static const std::map<std::string, std::string> words{
    {"x86_64", "amd64"},    {"aarch64", "arm64"}, {"i686", "386"},
    {"armv7l", "arm"},      {"armv6l", "arm"},    {"ppc64le", "ppc64le"},
    {"riscv64", "riscv64"}, {"s390x", "s390x"},
  };
  auto found = words.find(name.machine);
  return found == words.end() ? name.machine : found->second;
}

std::string resolver_folder() {
  std::error_code ec;
  auto file = fs::canonical("/etc/resolv.conf", ec);
  if (ec)
    return "";
  auto folder = file.parent_path().string();
  return folder.starts_with("/run/") ? folder : "";
}

std::optional<std::string> field_of(std::string_view file,
                                    std::string_view user, size_t field) {
  for (auto line : split(file, '\n')) {
    auto fields = split(line, ':');
    if (fields.size() > field && fields[0] == user)
      return std::string{fields[field]};
  }
  return std::nullopt;
}

std::string with_field(std::string_view file, std::string_view user,
                       size_t field, std::string_view value) {
  std::string out;
  auto first = true;
  for (auto line : split(file, '\n')) {
    auto fields = split(line, ':');
    if (fields.size() > field && fields[0] == user)
      fields[field] = value;
    if (!first)
      out += '\n';
    first = false;
    out += fmt::format("{}", fmt::join(fields, ":"));
  }
  return out;
}

} // namespace muster::local
