#include "config/keys.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>

namespace muster {

namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

std::vector<key_info> all_keys() {
  std::vector<key_info> keys;
  for (auto part : {general_keys(), docker_and_cache_keys()})
    keys.insert(keys.end(), part.begin(), part.end());
  return keys;
}

} // namespace

const std::vector<key_info>& known_keys() {
  static const auto keys = all_keys();
  return keys;
}

const key_info* find_key(std::string_view path) {
  auto found = std::ranges::find(known_keys(), path, &key_info::path);
  return found == known_keys().end() ? nullptr : &*found;
}

std::vector<const key_info*> keys_in(std::string_view section) {
  std::vector<const key_info*> found;
  for (const auto& key : known_keys())
    if (section_of(key.path) == section)
      found.push_back(&key);
  return found;
}

const key_info* find_key_in(std::string_view section, std::string_view name) {
  const key_info* other_case = nullptr;
  for (const auto& key : known_keys()) {
    if (section_of(key.path) != section)
      continue;
    if (last_part(key.path) == name)
      return &key;
    if (same_ignoring_case(last_part(key.path), name))
      other_case = &key;
  }
  return other_case;
}

std::string_view last_part(std::string_view path) {
  auto dot = path.rfind('.');
  return dot == std::string_view::npos ? path : path.substr(dot + 1);
}

std::string_view section_of(std::string_view path) {
  auto dot = path.rfind('.');
  return dot == std::string_view::npos ? "" : path.substr(0, dot);
}

std::string section_header(std::string_view path) {
  const auto* key = find_key(path);
  return key != nullptr && key->type == key_type::section_list
           ? fmt::format("[[{}]]", path)
           : fmt::format("[{}]", path);
}

bool same_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, lower, lower);
}

bool holds_secret(std::string_view key_name) {
  constexpr std::array<std::string_view, 12> marks{
    "password",   "passphrase",  "secret",     "token",
    "privatekey", "private_key", "accountkey", "account_key",
    "accesskey",  "access_key",  "credential", "environment"};
  constexpr std::array<std::string_view, 5> harmless{
    "token_obtained_at", "token_expires_at", "credentials_file",
    "use_static_credentials", "credentialsfile"};
  std::string name{key_name};
  std::ranges::transform(name, name.begin(), lower);
  if (std::ranges::find(harmless, name) != harmless.end())
    return false;
  return name == "sentry_dsn" || name == "key"
         || std::ranges::any_of(marks, [&](auto mark) {
              return name.find(mark) != std::string::npos;
            });
}

} // namespace muster
