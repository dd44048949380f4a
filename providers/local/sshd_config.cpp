#include "providers/local/sshd_config.hpp"

#include <algorithm>
#include <cctype>
#include <fmt/format.h>

namespace muster::local {

namespace {

bool begins_match(std::string line) {
  std::transform(line.begin(), line.end(), line.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  auto begin = line.find_first_not_of(" \t");
  return begin != std::string::npos && line.compare(begin, 5, "match") == 0
         && line.size() > begin + 5
         && std::isspace(static_cast<unsigned char>(line[begin + 5])) != 0;
}

std::string fixed_lines(const sshd_place& place) {
  return fmt::format("ListenAddress 127.0.0.1:{0}\n"
                     "HostKey \"{1}/host_key\"\n"
                     "PidFile \"{1}/sshd.pid\"\n"
                     "AuthorizedKeysFile \"{1}/authorized_keys\"\n"
                     "AllowUsers {2}\n"
                     "StrictModes no\n",
                     place.port, place.folder, place.user);
}

/// MaxStartups: a manager connects to many instances at once, and several
/// programs may look after one.
constexpr auto changeable_lines = "AllowStreamLocalForwarding yes\n"
                                  "KbdInteractiveAuthentication no\n"
                                  "LogLevel ERROR\n"
                                  "MaxStartups 200\n"
                                  "PasswordAuthentication no\n"
                                  "PermitRootLogin prohibit-password\n"
                                  "PermitUserRC no\n"
                                  "PrintMotd no\n"
                                  "UseDNS no\n"
                                  "UsePAM no\n";

/// Without a mount namespace sshd starts every command in the user's own login
/// directory; builds of different instances would meet there.
std::string home_lines(const sshd_place& place) {
  return fmt::format("SetEnv \"HOME={}\" \"{}\"\n"
                     "ForceCommand exec /bin/sh -c 'cd \"$HOME\" || exit 1; "
                     "if [ -n \"$SSH_ORIGINAL_COMMAND\" ]; "
                     "then exec \"$SHELL\" -c \"$SSH_ORIGINAL_COMMAND\"; fi; "
                     "exec \"$SHELL\" -l'\n",
                     place.home, place.mark);
}

} // namespace

std::string sshd_config_text(const sshd_place& place,
                             const std::vector<std::string>& extra) {
  auto match = std::find_if(extra.begin(), extra.end(), begins_match);
  auto out = fixed_lines(place);
  if (!place.home.empty())
    out += home_lines(place);
  for (auto line = extra.begin(); line != match; ++line)
    out += *line + "\n";
  out += changeable_lines;
  // All that follows a Match line belongs to it, so these come last.
  for (auto line = match; line != extra.end(); ++line)
    out += *line + "\n";
  return out;
}

} // namespace muster::local
