#include "executors/helper/commands/server.hpp"

#include <cctype>
#include <random>

namespace muster::helper {

std::string fresh_digits() {
  constexpr std::string_view digits = "0123456789abcdef";
  std::random_device chance;
  std::string text;
  for (int i = 0; i < 32; ++i)
    text += digits[chance() % digits.size()];
  return text;
}

void add_flags(std::vector<flag>& to, job_credentials& of) {
  for (const auto& x : std::vector<flag>{
         {"url", "CI_SERVER_URL", &of.server},
         {"token", "CI_JOB_TOKEN", &of.token},
         {"id", "CI_JOB_ID", &of.job},
         {"tls-ca-file", "CI_SERVER_TLS_CA_FILE", &of.tls.ca_file},
         {"tls-cert-file", "CI_SERVER_TLS_CERT_FILE", &of.tls.cert_file},
         {"tls-key-file", "CI_SERVER_TLS_KEY_FILE", &of.tls.key_file}})
    to.push_back(x);
}

std::optional<std::string> missing_in(const job_credentials& of) {
  if (of.server.empty() || of.token.empty())
    return "Missing runner credentials";
  if (of.job <= 0)
    return "Missing build ID";
  return std::nullopt;
}

std::optional<url>
artifacts_url(const job_credentials& of,
              const std::vector<std::pair<std::string, std::string>>& query) {
  std::string base = of.server;
  while (base.ends_with('/'))
    base.pop_back();
  if (base.ends_with("/ci"))
    base.resize(base.size() - 3);
  base += "/api/v4/jobs/" + std::to_string(of.job) + "/artifacts";
  char separator = '?';
  for (const auto& [name, value] : query) {
    if (value.empty())
      continue;
    base += separator + name + "=" + percent_encoded(value);
    separator = '&';
  }
  return parse_url(base);
}

std::string percent_encoded(std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string result;
  for (unsigned char c : text) {
    if (std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.' || c == '~') {
      result += static_cast<char>(c);
    } else {
      result += '%';
      result += digits[c >> 4];
      result += digits[c & 15];
    }
  }
  return result;
}

} // namespace muster::helper
