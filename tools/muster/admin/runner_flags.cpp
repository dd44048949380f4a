#include "tools/muster/admin/runner_flags.hpp"

#include "config/duration.hpp"
#include "config/feature_flags.hpp"
#include "config/keys.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <fmt/format.h>
#include <map>

namespace muster {

namespace {

constexpr std::array<std::string_view, 8> left_out{
  "runners.name",     "runners.url",
  "runners.token",    "runners.id",
  "runners.executor", "runners.token_obtained_at",
  "runners.labels",   "runners.token_expires_at"};

constexpr std::array<std::string_view, 7> sections{"runners",
                                                   "runners.custom_build_dir",
                                                   "runners.docker",
                                                   "runners.cache",
                                                   "runners.cache.s3",
                                                   "runners.cache.gcs",
                                                   "runners.cache.azure"};

/// Names that follow no rule.
struct special {
  std::string_view path;
  std::string_view name;
  std::string_view variable; ///< empty: as the name says
};

constexpr special specials[] = {
  {"runners.environment", "env", "RUNNER_ENV"},
  {"runners.clone_url", "clone-url", "CLONE_URL"},
  {"runners.feature_flags", "feature-flags", "FEATURE_FLAGS"},
  {"runners.tls-ca-file", "tls-ca-file", "CI_SERVER_TLS_CA_FILE"},
  {"runners.tls-cert-file", "tls-cert-file", "CI_SERVER_TLS_CERT_FILE"},
  {"runners.tls-key-file", "tls-key-file", "CI_SERVER_TLS_KEY_FILE"},
  {"runners.custom_build_dir.enabled", "custom_build_dir-enabled", ""},
  {"runners.docker.tls_verify", "docker-tlsverify", "DOCKER_TLS_VERIFY"},
  {"runners.docker.tls_cert_path", "docker-cert-path", "DOCKER_CERT_PATH"},
  {"runners.docker.userns_mode", "docker-userns", "DOCKER_USERNS_MODE"},
  {"runners.docker.services_privileged", "docker-services_privileged", ""},
  {"runners.docker.allowed_users", "docker-allowed_users", ""},
  {"runners.docker.service_gpus", "docker-service_gpus", ""},
  {"runners.cache.MaxUploadedArchiveSize", "cache-max_uploaded_archive_size",
   "CACHE_MAXIMUM_UPLOADED_ARCHIVE_SIZE"},
  {"runners.cache.s3.AuthenticationType", "cache-s3-authentication_type", ""},
  {"runners.cache.gcs.CredentialsFile", "cache-gcs-credentials-file",
   "GOOGLE_APPLICATION_CREDENTIALS"},
};

/// `MaxUploadedArchiveSize` and `pull_policy` as words with dashes.
std::string dashed(std::string_view name) {
  std::string out;
  for (size_t i = 0; i < name.size(); ++i) {
    auto c = static_cast<unsigned char>(name[i]);
    auto after_small
      = i > 0 && std::islower(static_cast<unsigned char>(name[i - 1])) != 0;
    auto before_small
      = i > 0 && i + 1 < name.size()
        && std::isupper(static_cast<unsigned char>(name[i - 1])) != 0
        && std::islower(static_cast<unsigned char>(name[i + 1])) != 0;
    if (std::isupper(c) != 0 && (after_small || before_small))
      out += '-';
    out += c == '_' ? '-' : static_cast<char>(std::tolower(c));
  }
  return out;
}

std::string upper(std::string_view name) {
  std::string out;
  for (auto c : name)
    out += c == '-'
             ? '_'
             : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

/// `cache-s3-` of `runners.cache.s3.AccessKey`.
std::string prefix_of(std::string_view section) {
  std::string out;
  for (auto rest = section; rest != "runners"; rest = section_of(rest))
    out = dashed(last_part(rest)) + "-" + out;
  return out;
}

bool is_simple(key_type type) {
  switch (type) {
    case key_type::boolean:
    case key_type::integer:
    case key_type::string:
    case key_type::duration:
    case key_type::string_list:
    case key_type::string_or_list:
    case key_type::string_map:
    case key_type::boolean_map:
    case key_type::list_map:
      return true;
    default:
      return false;
  }
}

bool takes_many(key_type type) {
  return type != key_type::boolean && type != key_type::integer
         && type != key_type::string && type != key_type::duration;
}

/// Keys below `runners`, each a name of its own.
key_names names_of(std::string_view path) {
  key_names names;
  for (; path != "runners"; path = section_of(path))
    names.insert(names.begin(), std::string{last_part(path)});
  return names;
}

std::vector<std::string> split_at_commas(std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    auto comma = std::min(text.find(','), text.size());
    if (comma > 0)
      parts.emplace_back(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return parts;
}

std::optional<int64_t> number(const std::string& text) {
  int64_t value = 0;
  auto [end, error]
    = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size())
    return std::nullopt;
  return value;
}

} // namespace

runner_flags::runner_flags() {
  for (const auto& key : known_keys()) {
    auto section = section_of(key.path);
    if (!is_simple(key.type)
        || std::ranges::find(sections, section) == sections.end()
        || std::ranges::find(left_out, key.path) != left_out.end())
      continue;
    auto prefix = prefix_of(section);
    auto name = prefix + dashed(last_part(key.path));
    flag next{std::string{key.path}, {name}, "", {}};
    next.variable = (prefix.empty() ? "RUNNER_" : "") + upper(name);
    const auto* odd = std::ranges::find(specials, key.path, &special::path);
    if (odd != std::end(specials)) {
      if (odd->name != name)
        next.names.insert(next.names.begin(), std::string{odd->name});
      next.variable
        = odd->variable.empty() ? upper(odd->name) : std::string{odd->variable};
    } else if (auto written = prefix + std::string{last_part(key.path)};
               written != name && dashed(written) == name
               && written.find('_') != std::string::npos) {
      next.names.push_back(written); // docker-pull_policy: taken as well
    }
    flags_.push_back(std::move(next));
  }
}

void runner_flags::add_to(CLI::App& command) {
  for (auto& flag : flags_) {
    std::string names;
    for (const auto& name : flag.names)
      names += (names.empty() ? "--" : ",--") + name;
    auto type = find_key(flag.key_path)->type;
    auto* option
      = type == key_type::boolean
          ? command.add_flag_function(
            names,
            [&flag](int64_t x) { flag.given = {x > 0 ? "true" : "false"}; })
          // Without: a value in brackets would be taken for a list.
          : command.add_option(names, flag.given)
              ->expected(1)
              ->allow_extra_args(false);
    if (takes_many(type))
      option->take_all();
    else
      option->take_last();
    option->group(""); // there are too many for a screen
  }
}

result<void, config_errc>
runner_flags::convert(const flag& from, const std::vector<std::string>& texts,
                      std::vector<new_entry_value>& into) const {
  auto wrong = [&](const char* expected) {
    return fail(config_errc::not_valid,
                fmt::format("--{} (or {}) must be {}", from.names.front(),
                            from.variable, expected));
  };
  auto keys = names_of(from.key_path);
  const auto& last = texts.back();
  switch (find_key(from.key_path)->type) {
    case key_type::boolean:
      if (auto value = parse_bool(last))
        into.push_back({keys, *value});
      else
        return wrong("true or false");
      return {};
    case key_type::integer:
      if (auto value = number(last))
        into.push_back({keys, *value});
      else
        return wrong("a whole number");
      return {};
    case key_type::duration:
      if (!parse_duration(last))
        return wrong("a duration such as 20m0s");
      into.push_back({keys, last});
      return {};
    case key_type::string:
      if (holds_secret(keys.back()))
        into.push_back({keys, secret{last}});
      else
        into.push_back({keys, last});
      return {};
    case key_type::string_or_list:
      if (texts.size() == 1)
        into.push_back({keys, last});
      else
        into.push_back({keys, texts});
      return {};
    case key_type::string_list:
      into.push_back({keys, texts});
      return {};
    default:
      break;
  }
  // Tables of free names: NAME:VALUE.
  std::map<std::string, std::vector<std::string>> rows;
  for (const auto& text : texts) {
    auto colon = text.find(':');
    if (colon == std::string::npos || colon == 0)
      return wrong("NAME:VALUE");
    rows[text.substr(0, colon)].push_back(text.substr(colon + 1));
  }
  for (const auto& [name, values] : rows) {
    auto path = keys;
    path.push_back(name);
    auto type = find_key(from.key_path)->type;
    if (type == key_type::list_map) {
      into.push_back({path, values});
    } else if (type == key_type::string_map) {
      into.push_back({path, values.back()});
    } else {
      auto value = parse_bool(values.back());
      if (!value)
        return wrong("NAME:true or NAME:false");
      into.push_back({path, *value});
    }
  }
  return {};
}

result<std::vector<new_entry_value>, config_errc>
runner_flags::values(const std::string& executor,
                     const lookup& variable) const {
  std::vector<new_entry_value> out;
  auto has_docker = executor.starts_with("docker");
  for (const auto& flag : flags_) {
    auto texts = flag.given;
    auto is_docker = flag.key_path.starts_with("runners.docker.");
    if (texts.empty() && (has_docker || !is_docker)) {
      auto text = variable(flag.variable);
      if (!text || text->empty())
        continue;
      texts = takes_many(find_key(flag.key_path)->type)
                ? split_at_commas(*text)
                : std::vector<std::string>{*text};
    }
    if (texts.empty())
      continue;
    if (auto done = convert(flag, texts, out); !done)
      return tl::unexpected{done.error()};
  }
  return out;
}

} // namespace muster
