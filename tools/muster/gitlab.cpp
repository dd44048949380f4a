#include "tools/muster/gitlab.hpp"

#include "config/places.hpp"
#include "config/version.hpp"

#include <fmt/format.h>

namespace muster {

api_settings gitlab_settings(const std::string& url) {
  api_settings with;
  with.url = url;
  with.http.user_agent = fmt::format("muster {} ({}; g++; linux/amd64)",
                                     version_text, branch_text);
  with.http.proxies = read_proxy_environment();
  return with;
}

certificate_files certificates_for(const gitlab_address& to) {
  certificate_files files{to.tls_ca_file, to.tls_cert_file, to.tls_key_file};
  auto where = parse_url(to.url);
  return where ? find_certificates(std::move(files), where->host,
                                   certificate_folders(this_host()))
               : files;
}

manager_info info_of_manager(const std::string& executor) {
  manager_info out;
  out.version = version_text;
  out.revision = revision_text;
  out.architecture = arch_text;
  if (!executor.empty())
    out.executor = executor;
  return out;
}

} // namespace muster
