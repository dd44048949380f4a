#include "executors/plan/git.hpp"

namespace muster {

namespace {

/// A value as git's configuration files spell it.
std::string config_value(std::string_view text) {
  std::string result = "\"";
  for (auto c : text) {
    if (c == '"' || c == '\\')
      (result += '\\') += c;
    else if (c == '\n')
      result += "\\n";
    else
      result += c;
  }
  return result + '"';
}

/// A section for one URL. A line end cannot be spelled there, and no URL that
/// works has one.
std::string url_section(std::string_view section, std::string_view url) {
  std::string result{"["};
  result += section;
  result += " \"";
  for (auto c : url) {
    if (c == '"' || c == '\\')
      result += '\\';
    if (c != '\n')
      result += c;
  }
  return result + "\"]\n";
}

/// Answers git's question for a password with the one in the configuration, so
/// that it stands in no command line.
constexpr std::string_view password_helper
  = "!f() { if [ \"$1\" = get ]; then printf "
    "'username=gitlab-ci-token\\npassword=%s\\n' "
    "\"$(git config --get muster.jobtoken)\"; fi; }; f";

} // namespace

std::string ext_config_path(const job_directories& dirs) {
  return dirs.temp + "/.gitlab-runner.ext.conf";
}

std::string template_path(const job_directories& dirs) {
  return dirs.temp + "/git-template";
}

std::string template_config() {
  return "[init]\n\tdefaultBranch = none\n"
         "[fetch]\n\trecurseSubmodules = false\n"
         "[credential]\n\tinteractive = never\n"
         "[gc]\n\tautoDetach = false\n";
}

std::string ext_config(const git_sources& from) {
  std::string result;
  if (!from.correlation_id.empty())
    result += "[http]\n\textraHeader = "
              + config_value("X-Gitaly-Correlation-ID: " + from.correlation_id)
              + '\n';
  if (from.bundle_uris)
    result += "[transfer]\n\tbundleURI = true\n";
  if (!from.password.empty() && !from.password_hosts.empty()) {
    result += "[muster]\n\tjobtoken = " + config_value(from.password.reveal())
              + '\n';
    // The empty helper drops those of the host, which would store the password.
    for (const auto& host : from.password_hosts)
      result += url_section("credential", host) + "\thelper =\n\thelper = "
                + config_value(password_helper) + '\n';
  }
  if (!from.ssh_prefixes.empty()) {
    result += url_section("url", from.server_url + '/');
    for (const auto& prefix : from.ssh_prefixes)
      result += "\tinsteadOf = " + config_value(prefix) + '\n';
  }
  return result;
}

} // namespace muster
