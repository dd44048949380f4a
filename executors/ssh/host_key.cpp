#include "executors/ssh/host_key.hpp"

#include "executors/ssh/wire.hpp"

#include <algorithm>
#include <array>

namespace muster::ssh {

namespace {

constexpr std::array<std::string_view, 4> checkable
  = {"ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384",
     "ecdsa-sha2-nistp521"};

std::string_view next_word(std::string_view& text) {
  constexpr std::string_view blanks = " \t\r\n";
  text.remove_prefix(std::min(text.find_first_not_of(blanks), text.size()));
  auto word = text.substr(0, text.find_first_of(blanks));
  text.remove_prefix(word.size());
  return word;
}

} // namespace

std::optional<host_key> parse_host_key(std::string_view text) {
  auto type = next_word(text);
  auto blob = base64_decode(next_word(text));
  if (!blob)
    return std::nullopt;
  auto key = host_key_of_blob(*blob);
  if (!key || key->type != type)
    return std::nullopt;
  return key;
}

std::optional<host_key> host_key_of_blob(std::string_view blob) {
  auto type = wire_reader{blob}.string();
  if (!type || type->empty())
    return std::nullopt;
  return host_key{std::string{*type}, std::string{blob}};
}

std::string to_text(const host_key& x) {
  return x.type + " " + base64_encode(x.blob);
}

std::string fingerprint(const host_key& x) {
  auto digest = base64_encode(sha256(x.blob));
  return "SHA256:" + digest.substr(0, digest.find('='));
}

bool can_be_checked(std::string_view type) {
  return std::find(checkable.begin(), checkable.end(), type) != checkable.end();
}

std::string host_key_preference(std::string_view pinned_type) {
  std::string result;
  if (can_be_checked(pinned_type))
    result = pinned_type;
  for (auto type : checkable) {
    if (type == pinned_type)
      continue;
    if (!result.empty())
      result += ',';
    result += type;
  }
  return result;
}

} // namespace muster::ssh
