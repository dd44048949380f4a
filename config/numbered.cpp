#include "config/numbered.hpp"

#include "config/diagnostic.hpp"
#include "config/keys.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string_view>
#include <toml++/toml.h>

namespace muster {

namespace {

/// A zone, a type of machine, a path: found in many texts.
bool is_word(std::string_view x) {
  constexpr size_t length_max = 32;
  return x.size() <= length_max && std::all_of(x.begin(), x.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'
                  || c == '.' || c == '/' || c == '_' || c == ':';
         });
}

class numberer {
public:
  explicit numberer(const value_names& names) : names_(names) {
  }

  /// What stands below `path`; `is_foreign`: of somebody else.
  void table(toml::table& x, const std::string& path, bool is_foreign) const {
    for (auto&& [name, value] : x) {
      auto key = std::string{std::string_view{name}};
      const auto* known = is_foreign ? nullptr : find_key_in(path, key);
      auto below_foreign
        = known == nullptr || known->type == key_type::free_table;
      node(value, known == nullptr ? key : std::string{known->path}, key,
           below_foreign);
    }
  }

private:
  void node(toml::node& x, const std::string& path, const std::string& key,
            bool is_foreign) const {
    if (auto* inner = x.as_table())
      // The names of such a table are free: labels, feature flags.
      is_map(path) ? map(*inner, key) : table(*inner, path, is_foreign);
    else if (auto* list = x.as_array())
      for (auto& element : *list)
        node(element, path, key, is_foreign);
    else if (auto* text = x.as_string())
      text->get() = replaced(text->get(), key, is_foreign);
  }

  static bool is_map(const std::string& path) {
    const auto* known = find_key(path);
    return known != nullptr
           && (known->type == key_type::string_map
               || known->type == key_type::boolean_map
               || known->type == key_type::list_map);
  }

  void map(toml::table& x, const std::string& key) const {
    for (auto&& [name, value] : x) {
      auto own = std::string{std::string_view{name}};
      node(value, {}, may_hold_secret(own) ? own : key, false);
    }
  }

  std::string replaced(const std::string& value, const std::string& key,
                       bool is_foreign) const {
    if (value.empty() || value.front() == '$')
      return value;
    if (key == "environment")
      if (auto sign = value.find('='); sign != std::string::npos)
        return value.substr(0, sign + 1)
               + (sign + 1 == value.size()
                    ? ""
                    : names_.of_secret(value.substr(sign + 1)));
    if (may_hold_secret(key))
      return names_.of_secret(value);
    return is_foreign ? names_.of_foreign(value, is_word(value))
                      : names_.of_text(value);
  }

  const value_names& names_;
};

/// Texts below a JSON value that stand under names of secrets.
void find_secrets(const nlohmann::json& x, bool is_secret,
                  std::vector<secret>& into) {
  if (x.is_string() && is_secret)
    into.emplace_back(x.get<std::string>());
  if (x.is_object())
    for (const auto& [name, value] : x.items())
      find_secrets(value, is_secret || may_hold_secret(name), into);
  if (x.is_array())
    for (const auto& value : x)
      find_secrets(value, is_secret, into);
}

} // namespace

std::string numbered_config(const std::string& source,
                            const value_names& names) {
  try {
    auto table = toml::parse(source);
    numberer{names}.table(table, {}, false);
    std::ostringstream out;
    out << table << '\n';
    return out.str();
  } catch (const toml::parse_error&) {
    return {}; // it was read before: somebody has changed it meanwhile
  }
}

std::vector<secret> secrets_of(const config& cfg) {
  std::vector<secret> out;
  for (const auto& x : cfg.runners) {
    out.push_back(x.token);
    out.push_back(x.cache.s3.secret_key);
    out.push_back(x.cache.s3.session_token);
    out.push_back(x.cache.gcs.private_key);
    out.push_back(x.cache.azure.account_key);
    for (const auto& variable : x.environment)
      if (auto sign = variable.find('='); sign != std::string::npos)
        out.emplace_back(variable.substr(sign + 1));
    if (!x.autoscaler)
      continue;
    out.push_back(x.autoscaler->connector.password);
    out.push_back(x.autoscaler->connector.key_passphrase);
    auto plugin
      = nlohmann::json::parse(x.autoscaler->plugin_config_json, nullptr, false);
    find_secrets(plugin, false, out);
  }
  std::erase_if(out, [](const secret& x) { return x.empty(); });
  return out;
}

} // namespace muster
